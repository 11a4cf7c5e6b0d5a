//! What a frame costs: written, and read back from the chunks of a stream.
//!
//! `cargo bench -p latchwork-protocol`. An item is a frame.

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box, counter::ItemsCount};
use latchwork_protocol::service::frame::{self, Decoder, ty};
use latchwork_protocol::service::message::{ProposeRunCompletion, RunOutcome};

/// Frames of one stream.
const FRAMES: usize = 100;
/// Bytes of a payload: a small one, and those of a document and of a picture.
const PAYLOADS: [usize; 3] = [32, 4 << 10, 1 << 20];

fn main() {
    divan::main();
}

fn outcome(payload: usize) -> ProposeRunCompletion {
    ProposeRunCompletion {
        result_completion_id: 1,
        result: Some(RunOutcome::Value(Bytes::from(vec![b'x'; payload]))),
    }
}

fn stream(payload: usize) -> Bytes {
    let mut out = BytesMut::new();
    let message = outcome(payload);
    for _ in 0..FRAMES {
        frame::put(&mut out, ty::PROPOSE_RUN_COMPLETION, 0, &message);
    }
    out.freeze()
}

#[divan::bench(args = PAYLOADS)]
fn write(bencher: Bencher<'_, '_>, payload: usize) {
    let message = outcome(payload);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let mut out = BytesMut::new();
        for _ in 0..FRAMES {
            frame::put(&mut out, ty::PROPOSE_RUN_COMPLETION, 0, black_box(&message));
        }
        out
    });
}

/// In chunks of 16 KiB, which is what HTTP/2 cuts a stream into.
#[divan::bench(args = PAYLOADS)]
fn read(bencher: Bencher<'_, '_>, payload: usize) {
    let whole = stream(payload);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let mut decoder = Decoder::new(2 << 20);
        let mut rest = whole.clone();
        let mut read = 0;
        while !rest.is_empty() {
            decoder.push(rest.split_to(rest.len().min(16 << 10)));
            while let Ok(Some(frame)) = decoder.next() {
                black_box(frame);
                read += 1;
            }
        }
        assert_eq!(read, FRAMES);
    });
}
