//! Keys are found however they are printed, and ordinary text is silent.

use keysan::SecretSet;
use keysan::text::{Encoding, Scratch, TextSighting, scan_text};

/// Key number `n` of a fixed sequence.
fn key(n: u128) -> [u8; 16] {
    let mut word = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    for _ in 0..3 {
        word ^= word >> 59;
        word = word.wrapping_mul(0xda94_2042_e4dd_58b5_2c1b_3c6d_5851_f42d);
    }
    (word ^ word >> 64).to_le_bytes()
}

fn sightings_in(key: &[u8; 16], text: &str) -> Vec<TextSighting> {
    let mut set = SecretSet::new();
    set.register(key, 42).expect("an empty set has room");
    let mut sightings = Vec::new();
    scan_text(&set, text, &mut Scratch::new(), &mut |sighting| sightings.push(sighting));
    sightings
}

type Print = fn(&[u8]) -> String;

/// Ways to print a stretch of bytes, each with the reading that must find it. All take half a key.
const WAYS: [(&str, Encoding, Print); 26] = [
    ("plain hex", Encoding::Hex, |k| joined(k, "", |b| format!("{b:02x}"))),
    ("upper hex", Encoding::Hex, |k| joined(k, "", |b| format!("{b:02X}"))),
    ("spaced hex", Encoding::Hex, |k| joined(k, " ", |b| format!("{b:02x}"))),
    ("colon hex", Encoding::Hex, |k| joined(k, ":", |b| format!("{b:02X}"))),
    ("0x list", Encoding::Hex, |k| joined(k, ", ", |b| format!("0x{b:02x}"))),
    ("hex Debug", Encoding::Hex, |k| format!("{k:x?}")),
    ("hex Debug, two digits", Encoding::Hex, |k| format!("Key({k:02x?})")),
    ("alternate hex Debug", Encoding::Hex, |k| format!("{k:#04X?}")),
    ("hex pairs", Encoding::Hex, |k| grouped(k, 2)),
    ("one 0x number", Encoding::Hex, |k| format!("0x{}", joined(k, "", |b| format!("{b:02x}")))),
    ("behind a lone hex digit", Encoding::Hex, |k| format!("a {}", grouped(k, 4))),
    ("percent escapes", Encoding::Hex, |k| joined(k, "", |b| format!("%{b:02x}"))),
    ("every byte escaped", Encoding::Hex, |k| joined(k, "", |b| format!("\\x{b:02x}"))),
    ("Debug", Encoding::DecimalList, |k| format!("key: {k:?}")),
    ("pretty Debug", Encoding::DecimalList, |k| format!("{k:#?}")),
    ("signed bytes", Encoding::DecimalList, |k| joined(k, ", ", |b| b.cast_signed().to_string())),
    ("big-endian u64", Encoding::DecimalInteger, |k| words(k, u64::from_be_bytes)),
    ("little-endian u64", Encoding::DecimalInteger, |k| words(k, u64::from_le_bytes)),
    ("signed 64", Encoding::DecimalInteger, |k| words(k, i64::from_le_bytes)),
    ("u32 pairs", Encoding::DecimalInteger, |k| {
        words(k, |[a, b, c, d, e, f, g, h]| {
            format!("{}, {}", u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        })
    }),
    ("hex u64", Encoding::HexInteger, |k| words(k, |w| format!("{:#x}", u64::from_le_bytes(w)))),
    ("standard base64", Encoding::Base64, |k| base64(k, b"+/")),
    ("URL base64", Encoding::Base64, |k| base64(k, b"-_")),
    ("base64 behind a path", Encoding::Base64, |k| format!("keys/v1/{}", base64(k, b"+/"))),
    ("ASCII escapes", Encoding::Escaped, |k| format!("b\"{}\"", k.escape_ascii())),
    ("Debug of characters", Encoding::Escaped, |k| {
        format!("{:?}\\", k.iter().map(|b| char::from(*b)).collect::<String>())
    }),
];

fn joined(bytes: &[u8], separator: &str, print: impl Fn(u8) -> String) -> String {
    bytes.iter().map(|b| print(*b)).collect::<Vec<_>>().join(separator)
}

fn grouped(bytes: &[u8], size: usize) -> String {
    let groups = bytes.chunks(size).map(|group| joined(group, "", |b| format!("{b:02x}")));
    groups.collect::<Vec<_>>().join(" ")
}

fn words<T: ToString>(bytes: &[u8], print: impl Fn([u8; 8]) -> T) -> String {
    let words = bytes.as_chunks().0.iter().map(|word| print(*word).to_string());
    words.collect::<Vec<_>>().join(", ")
}

fn base64(bytes: &[u8], last_two: &[u8; 2]) -> String {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    alphabet.extend(last_two);
    let bits: String = bytes.iter().map(|b| format!("{b:08b}")).collect();
    let digits = bits.as_bytes().chunks(6).map(|six| {
        let six = format!("{:0<6}", str::from_utf8(six).expect("binary digits"));
        char::from(alphabet[usize::from_str_radix(&six, 2).expect("binary digits")])
    });
    digits.collect()
}

#[test]
fn a_key_is_found_in_every_way_of_printing_it() {
    for n in 0..300 {
        let key = key(n);
        for (way, encoding, print) in WAYS {
            let text = format!("[12:30:07.250] session 3 failed: {} (retry 2)", print(&key));
            let found = sightings_in(&key, &text);
            assert!(found.iter().any(|s| s.encoding == encoding && s.tag == 42), "{way}: {text}");
        }
    }
}

#[test]
fn half_a_key_is_found_in_every_way_of_printing_it() {
    for n in 0..300 {
        let key = key(n);
        for (way, encoding, print) in WAYS {
            for half in [&key[..8], &key[8..]] {
                let found = sightings_in(&key, &print(half));
                assert!(found.iter().any(|s| s.encoding == encoding), "{way}: {}", print(half));
            }
        }
    }
}

#[test]
fn a_key_in_one_number_of_128_bits_is_found_in_both_byte_orders() {
    for n in 0..300 {
        let key = key(n);
        for number in [u128::from_be_bytes(key), u128::from_le_bytes(key)] {
            let decimal = sightings_in(&key, &format!("Key {{ bits: {number} }}"));
            assert_eq!(decimal.first().map(|s| s.encoding), Some(Encoding::DecimalInteger));
            let hex = sightings_in(&key, &format!("Key {{ bits: {number:#x} }}"));
            assert!(hex.iter().any(|s| s.encoding == Encoding::HexInteger));
            let signed = format!("{}", number.cast_signed());
            assert!(!sightings_in(&key, &signed).is_empty(), "{signed}");
        }
    }
}

#[test]
fn a_key_is_found_raw_and_as_characters() {
    let key = *b"\x11t0k\x7fm9~\x02?Zq%\x1fw&";
    let text = format!("{} end", std::str::from_utf8(&key).unwrap());
    assert_eq!(sightings_in(&key, &text).len(), 9);
    let key = self::key(1);
    let text: String = key.iter().map(|b| char::from(*b)).collect();
    assert_eq!(sightings_in(&key, &text).len(), 9);
    assert_eq!(sightings_in(&key, &format!("\u{fffd}{text}\u{fffd}")).len(), 9);
}

#[test]
fn a_key_is_found_in_octal_and_json_escapes() {
    for n in 0..300 {
        let key = key(n);
        let octal = joined(&key, "", |b| format!("\\{b:o}"));
        let padded = joined(&key, "", |b| format!("\\{b:03o}"));
        let json = joined(&key, "", |b| format!("\\u{b:04x}"));
        for text in [octal, padded, json] {
            let found = sightings_in(&key, &text);
            assert!(found.iter().any(|s| s.encoding == Encoding::Escaped), "{text}");
        }
    }
}

#[test]
fn a_key_anywhere_in_a_hex_dump_is_found() {
    let key = key(5);
    for place in 0..48 {
        let mut memory = [0x20_u8; 64];
        memory[place..place + 16].copy_from_slice(&key);
        let dump: String = memory
            .chunks(16)
            .enumerate()
            .map(|(n, line)| format!("{:08x}: {}  |................|\n", n * 16, grouped(line, 2)))
            .collect();
        assert!(!sightings_in(&key, &dump).is_empty(), "{dump}");
    }
}

#[test]
fn half_a_key_is_found_at_every_place_of_a_long_text() {
    let key = key(6);
    for filler_len in 1000..1050 {
        let bytes = [&vec![0; filler_len], &key[..8]].concat();
        let text = format!("{bytes:?}");
        assert!(!sightings_in(&key, &text).is_empty(), "{filler_len} bytes before the key");
    }
}

#[test]
fn base64_may_begin_anywhere_in_a_word_and_in_its_bytes() {
    let key = key(7);
    for filler_len in 0..4 {
        let inside = base64(&[&[7; 4][..filler_len], &key[..8], &[9; 5]].concat(), b"+/");
        for lead in ["", "k", "k/", "k/v", "k/v/"] {
            let found = sightings_in(&key, &format!("{lead}{inside}=="));
            assert!(!found.is_empty(), "{lead} before {inside}");
        }
    }
}

#[test]
fn ordinary_logs_are_silent() {
    let mut set = SecretSet::new();
    for n in 0..64 {
        set.register(&key(n), 0).unwrap();
    }
    let mut scratch = Scratch::new();
    let lines = if cfg!(miri) { 20 } else { 20_000 };
    for n in 1000..1000 + lines {
        let [a, b, c, d, e, f, g, h, rest @ ..] = key(n);
        let line = format!(
            "2026-11-22T16:08:{:02}.{:06}Z call {n}: submit-buffer s{} iv={:#018x} len={} \
             -> refused destroyed; [{a}, {b}, {c}, {d}] mac={rest:02x?} \
             path=/var/log/session_{}/aGVsbG8gd29ybGQ{} \\x{e:02x}\\n\\u{{{f:x}}} {}",
            n % 60,
            n * 7919 % 1_000_000,
            n % 9,
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u16::from_le_bytes([a, b]),
            n,
            base64(&rest, b"-_"),
            u128::from_le_bytes(key(n)),
        );
        scan_text(&set, &line, &mut scratch, &mut |sighting| panic!("{sighting:?} in {line}"));
    }
}

#[test]
fn encodings_have_names_for_reports() {
    assert_eq!(Encoding::DecimalList.to_string(), "decimal list");
    assert_eq!(format!("{:>4}", Encoding::Hex), " hex");
}
