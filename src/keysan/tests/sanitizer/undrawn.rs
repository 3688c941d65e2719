//! Secrets that nobody drew so that any eight bytes of them are unlike everything else.

use keysan::Keysan;
use keysan::sanitizer::RegisterError;

use super::{fill, open};

/// Numbers that are the same in every run.
fn byte_of(state: &mut u64) -> u8 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    state.to_be_bytes()[0]
}

#[test]
fn what_nobody_has_drawn_for_it_is_registered_by_what_is_distinctive_of_it() {
    let mut keysan = Keysan::open().unwrap();
    let mut state = 1;
    let mut digits = |digits: &[u8], len: usize| -> Vec<u8> {
        (0..len).map(|_| digits[usize::from(byte_of(&mut state)) % digits.len()]).collect()
    };
    let every: Vec<u8> = (0..=255).collect();
    for (alphabet, len, count) in [
        (&b"0123456789abcdef"[..], 64, 2000),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, 2000),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 10, 2000),
        (&every, 48, 20_000),
        (&every, 4032, 100),
    ] {
        let mut weak_count = 0;
        for _ in 0..count {
            keysan.clear();
            let secret = digits(alphabet, len);
            let key = keysan.register("secret", &secret).unwrap();
            keysan.look_at_output("given out", &secret);
            let found = keysan.findings().unwrap();
            assert!(!found.is_empty(), "{secret:?}");
            let visibility = keysan.visibility(key);
            assert_eq!(visibility.is_whole(), keysan.weak_secrets().next().is_none());
            if visibility.is_whole() {
                assert_eq!(found[0].bytes.end() + 1, u32::try_from(len).unwrap());
            } else {
                weak_count += 1;
            }
        }
        assert!(weak_count > 0, "chance has brought none of {len} digits");
    }
}

#[test]
fn a_weak_secret_may_live_at_home_and_is_told_elsewhere() {
    let mut keysan = Keysan::open().unwrap();
    let token = b"c0ffee00c0ffee00d15ea5ed4b1dc0de";
    let key = keysan.register("token", token).unwrap();
    let weak: Vec<String> =
        keysan.weak_secrets().map(|(name, it)| format!("{name}: {it}")).collect();
    assert!(weak.len() == 1 && weak[0].starts_with("token: 1"), "{weak:?}");
    for offset in 0..8 {
        let mut held = keysan.call("start", || {
            let mut block = vec![0; 48].into_boxed_slice();
            fill(&mut block[offset..], token);
            block
        });
        keysan.allow(key, held[offset..].as_ptr()).unwrap();
        keysan.scan("at home");
        keysan.assert_clean();
        keysan.disallow(key, held[offset..].as_ptr());
        // Wiped, so that nothing is left where it was.
        keysan.call("stop", || held.fill(0));
    }
    keysan.retire(key, "ended");
    let held = keysan.call("again", || {
        let mut block = vec![0; 48].into_boxed_slice();
        fill(&mut block, token);
        block
    });
    keysan.scan("later");
    assert_eq!(keysan.findings().unwrap()[0].secret, "token");
    drop(held);
}

#[test]
fn a_secret_whose_bytes_repeat_may_live_at_home() {
    let mut keysan = Keysan::open().unwrap();
    for secret in
        [&b"00000000hunter2-Zq800000000hunter2-Zq8000000"[..], b"4f9a02c7d1b84f9a02c7d1b8"]
    {
        keysan.clear();
        let key = keysan.register("K", secret).unwrap();
        let held = keysan.call("start", || {
            let mut block = vec![0; secret.len()].into_boxed_slice();
            fill(&mut block, secret);
            block
        });
        keysan.allow(key, held.as_ptr()).unwrap();
        keysan.scan("at home");
        keysan.assert_clean();
        keysan.call("stop", || drop(held));
        assert!(!keysan.findings().unwrap().is_empty());
    }
}

#[test]
fn a_secret_is_the_same_as_another_only_if_that_one_has_all_of_it() {
    let (mut keysan, _) = open();
    let mut register = |name: &'static str, secret: &[u8]| keysan.register(name, secret).map(drop);
    let same = |name: &'static str| Err(RegisterError::SameAs { name: name.into() });
    assert_eq!(register("y", b"hunter2-Zq81mX"), Ok(()));
    assert_eq!(register("longer", b"Ahunter2-Zq81mX"), Ok(()));
    assert_eq!(register("part", b"ter2-Zq81mX"), same("y"));
    assert_eq!(register("a", b"PassWord!x12"), Ok(()));
    assert_eq!(register("b", b"PassWord!y34"), Ok(()));
    assert_eq!(register("b again", b"PassWord!y34"), same("b"));
}

#[test]
fn eight_digits_that_chance_brings_are_not_told_and_sixteen_are() {
    let mut keysan = Keysan::open().unwrap();
    let token = b"9f3a07c2e1b84d56a0c7f213";
    let secret = keysan.register("token", token).unwrap();
    assert_eq!(keysan.visibility(secret).told_len(), 15);
    assert!(!keysan.visibility(secret).is_whole());
    keysan.look_at_text("log", "iv 5503a07c2e1b8ff1");
    keysan.assert_clean();
    keysan.look_at_text("log", "iv 5503a07c2e1b84d56a0cff1");
    let findings = keysan.findings().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].to_string().starts_with("token, bytes 2 to 18,"), "{}", findings[0]);
}
