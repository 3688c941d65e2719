//! A sequence that holds part of a key is no evidence against a driver that keeps its arguments.

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::observation::Layers;
use rekeylab::sequence::SequenceText;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

#[test]
fn a_count_that_is_part_of_the_key_accuses_nobody() {
    let calls = |count: &str| {
        let text = format!(
            "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=7\n\
             submit-buffer s0 iv=1 count={count} len=16\ndestroy-session s0\n"
        );
        SequenceText::parse(&text).expect("it is a sequence").sequence()
    };
    let mut workbench = Workbench::new();
    // Bytes 2 to 9 of the key that grows from seed 7.
    assert!(workbench.run(&calls("0x1d8f690270494160")).is_clean());
    assert_eq!(workbench.trace().layers, Layers::NONE);
    assert!(workbench.run(&calls("2")).is_clean());
    assert_eq!(workbench.trace().layers, workbench.layers());
}
