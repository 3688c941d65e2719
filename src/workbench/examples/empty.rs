//! scratch
use rekeylab::{executor::*, invariant::*, observation::Trace, sequence::*};
#[global_allocator]
static A: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();
fn main() {
    for text in [
        "",
        "d0 = create-device\n",
        "d0 = create-device\ns0 = create-session d0\n",
        "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\n",
        "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\nstart-refresh s0\n",
        "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\nstart-refresh s0\nfinish-refresh s0\n",
        "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\nsubmit-buffer s0 iv=1 len=48\n",
        "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\nsubmit-buffer s0 iv=1 len=48\nretire 1\n",
        "d0 = create-device\nsession-status s0\n",
    ] {
        let s = SequenceText::parse(text).unwrap().sequence();
        let mut e = Executor::new();
        let mut t = Trace::default();
        let mut m = Model::default();
        let mut v = Verdict::default();
        let mut best = [f64::MAX; 2];
        for _ in 0..20 {
            let n = 5000;
            let st = std::time::Instant::now();
            for _ in 0..n {
                e.execute(&Core, &s, DebugText::Skip, &mut t);
            }
            best[0] = best[0].min(st.elapsed().as_secs_f64() / n as f64 * 1e9);
            let st = std::time::Instant::now();
            for _ in 0..n {
                judge(&t, &mut m, &mut v);
            }
            best[1] = best[1].min(st.elapsed().as_secs_f64() / n as f64 * 1e9);
        }
        println!("{:>8.1} {:>8.1}  {}", best[0], best[1], text.lines().last().unwrap_or("empty"));
    }
}
