//! What is kept is survived: each input that once was a finding, and what mutation begins with.

use latchwork_fuzz::TARGETS;
use latchwork_fuzz::corpus::kept;

#[test]
fn every_target_survives_what_is_kept_for_it() {
    for target in TARGETS {
        let kept = kept(target.name).expect("a corpus");
        assert!(!kept.is_empty(), "{} begins with nothing", target.name);
        for input in kept {
            println!("{}", input.path.display());
            (target.body)(&input.bytes);
        }
    }
}
