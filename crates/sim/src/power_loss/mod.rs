//! Losses of power: what a server has not synced is dropped, torn and mixed up, in as many ways as
//! are wanted, and what it has acknowledged must still be there.
//!
//! ```text
//!   workload ──▶ server ──files──▶ recorder (FUSE) ──▶ disk: synced, pending
//!      │                               │ now and then, in the middle of a step
//!      └─▶ auditor, witness ─────────▶ moment: all three, held still
//!                                      │ several times each
//!                                      ▼
//!               image: pending by chance ──▶ server started on it ──▶ what the auditor knows
//!                                                                    is read, the rest goes on
//! ```
//!
//! Nothing of the server is replaced: all its files are seen, its log and its tables, whichever
//! way they are written. The seed fixes the workload and how a moment becomes an image, not when
//! moments come: a failing image is kept.

mod content;
mod disk;
mod image;
#[cfg(all(test, feature = "rings"))]
mod names;
mod recorder;
mod recording;
mod verdict;

use crate::auditor::{Counts, Violation};
use crate::crash::{Lines, ProcessError};
use fastrand::Rng;
use image::{Image, Loss};
use recording::Moment;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Moments of one recording; then another begins, with an empty directory.
const MOMENTS: usize = 25;
/// Images that are made of one moment.
const IMAGES_OF_A_MOMENT: usize = 2;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Fixes the workload and the images.
    pub(crate) seed: u64,
    /// How many losses of power.
    pub(crate) images: usize,
    /// The server binary.
    pub(crate) server: PathBuf,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("it could not be set up: {0}")]
    SetUp(#[from] io::Error),
    #[error(
        "no file system can be mounted: {0}. It takes /dev/fuse, and to be root or to have \
         fusermount3 (package fuse3)."
    )]
    Mount(#[source] io::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("seed {seed}: {} broken promise(s) before any loss of power\n{}", violations.len(), Lines(violations))]
    Recording {
        seed: u64,
        violations: Vec<Violation>,
    },
    #[error("image {number} of seed {seed} ({loss:?}): {cause}\nthe image: {}", kept.display())]
    Image {
        number: usize,
        seed: u64,
        loss: Loss,
        kept: PathBuf,
        cause: verdict::Cause,
    },
}

/// What came of all images.
#[derive(Default)]
struct Tally {
    images: usize,
    losses: BTreeMap<Loss, usize>,
    torn_logs: usize,
    heard: Counts,
}

/// Loses power over and over.
///
/// # Errors
/// If a server does not start after it, or something acknowledged is not there.
pub(crate) async fn run(options: &Options) -> Result<(), Failed> {
    let began = Instant::now();
    let mut tally = Tally::default();
    for round in 0.. {
        let left = options.images - tally.images;
        if left == 0 {
            break;
        }
        let directory = tempfile::Builder::new()
            .prefix("latchwork-power-")
            .tempdir()?;
        let seed = options.seed.wrapping_add(round);
        let moments = left.div_ceil(IMAGES_OF_A_MOMENT).min(MOMENTS);
        let mut recording =
            recording::record(seed, moments, &options.server, directory.path()).await?;
        let mut rng = Rng::with_seed(seed);
        for moment in std::mem::take(&mut recording.moments) {
            for _ in 0..IMAGES_OF_A_MOMENT.min(options.images - tally.images) {
                let loss = Loss::draw(&mut rng);
                let image = Image::of(&moment.disk, loss, &mut rng);
                let place = directory.path().join(format!("image-{}", tally.images));
                let checked =
                    verdict::check(&moment, &image, &place, &mut recording, &options.server).await;
                match checked {
                    Ok(verdict) => tally.add(loss, &verdict),
                    Err(cause) => {
                        return Err(Failed::Image {
                            number: tally.images,
                            seed,
                            loss,
                            kept: keep(&image, &moment, &directory.keep())?,
                            cause,
                        });
                    }
                }
                std::fs::remove_dir_all(&place)?;
            }
        }
        println!(
            "seed {seed}: {} images, {} acknowledgements checked, {:.1} s",
            tally.images,
            tally.heard.all(),
            began.elapsed().as_secs_f64()
        );
    }
    let losses: Vec<_> = tally
        .losses
        .iter()
        .map(|(loss, count)| format!("{count} {loss:?}"))
        .collect();
    println!(
        "losses: {}; {} torn logs were cut",
        losses.join(", "),
        tally.torn_logs
    );
    println!("{}", tally.heard);
    println!("{} losses of power, no promise broken", tally.images);
    Ok(())
}

impl Tally {
    fn add(&mut self, loss: Loss, verdict: &verdict::Verdict) {
        self.images += 1;
        *self.losses.entry(loss).or_default() += 1;
        self.torn_logs += usize::from(verdict.is_torn);
        self.heard += verdict.heard;
    }
}

/// Lays the image down again, as it was before a server was started on it.
fn keep(image: &Image, moment: &Moment, directory: &Path) -> io::Result<PathBuf> {
    let place = directory.join("failed-image");
    image.write(&place.join("data"))?;
    std::fs::write(place.join("moment.txt"), format!("{:?}\n", moment.step))?;
    Ok(place)
}
