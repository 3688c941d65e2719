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
const WAYS: [(&str, Encoding, Print); 38] = [
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
    ("base32", Encoding::Base32, |k| base32(k, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    ("base32 for sorting", Encoding::Base32, |k| base32(k, b"0123456789abcdefghijklmnopqrstuv")),
    ("Bech32", Encoding::Base32, |k| {
        format!("bc1q{}x5", base32(k, b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
    }),
    ("Crockford's base32", Encoding::Base32, |k| base32(k, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")),
    ("base58", Encoding::Base58, base58),
    ("base58 with version and checksum", Encoding::Base58, |k| {
        base58(&[&[0x80], k, &[1, 2, 3, 4]].concat())
    }),
    ("hex in base64", Encoding::HexInBase64, |k| {
        base64(joined(k, "", |b| format!("{b:02x}")).as_bytes(), b"+/")
    }),
    ("with their types", Encoding::DecimalList, |k| joined(k, ", ", |b| format!("{b}u8"))),
    ("C constants", Encoding::HexInteger, |k| {
        words(k, |w| format!("0x{:x}ULL", u64::from_be_bytes(w)))
    }),
    ("a dump of two bytes a line", Encoding::Hex, |k| {
        let lines = k.chunks(2).zip((0..).step_by(2));
        lines.map(|(two, at)| format!("\n{at:04x}: {}", grouped(two, 1))).collect::<String>() + "\n"
    }),
    ("a byte a line", Encoding::DecimalList, |k| {
        joined(k, "", |b| format!("\nthe next byte of the buffer is {b};")) + "\n"
    }),
    ("a word a line", Encoding::HexInteger, |k| {
        let word = |word: &[u8; 4]| format!("\nkey word = {:#x}", u32::from_le_bytes(*word));
        k.as_chunks().0.iter().map(word).collect::<String>() + "\n"
    }),
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

fn base32(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let bits: String = bytes.iter().map(|b| format!("{b:08b}")).collect();
    let digits = bits.as_bytes().chunks(5).map(|five| {
        let five = format!("{:0<5}", str::from_utf8(five).expect("binary digits"));
        char::from(alphabet[usize::from_str_radix(&five, 2).expect("binary digits")])
    });
    digits.collect()
}

/// Divides by hand, so that it shares nothing with the reading of it.
fn base58(bytes: &[u8]) -> String {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = bytes.to_vec();
    let mut digits = Vec::new();
    while number.iter().any(|byte| *byte != 0) {
        let mut rest = 0_usize;
        for byte in &mut number {
            rest = rest << 8 | usize::from(*byte);
            (*byte, rest) = (u8::try_from(rest / 58).expect("less than 58 was left"), rest % 58);
        }
        digits.push(char::from(alphabet[rest]));
    }
    digits.iter().rev().collect()
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
                // Eight bytes that begin so low have a digit less than is read.
                if way == "base58" && half[0] < 6 {
                    continue;
                }
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

/// What the field was seen to print, each of a key of 32 bytes.
#[test]
fn a_longer_key_is_found_in_one_number_and_in_what_others_print() {
    let first = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
    let mut set = SecretSet::new();
    set.register(&first, 1).unwrap();
    set.register(&first.map(|byte| byte ^ 0x5D), 2).unwrap();
    for text in [
        "wallet key 4xRNmqPQKCS2TYNapU5zNYhrwKyJFTu528fMcyX3RtXX",
        "f6LxpJocBwEpPU6c3tvow8oNcvYLfc6wAvekyntBHXp2q",
        "scalar = 26583215232868998806891603855187974381309456392421836735782205290354836110646",
        "scalar = 24873074274834540462631921377955499914966070208135397161270918136715715659066",
        "scalar = 0x36fda940de01b45be2158f2a53cc98676ba0f41d835ce906bf48d2770e91c53a",
        "0000: 3a c5 91 0e\n0004: 77 d2 48 bf\n0008: 06 e9 5c 83\n000c: 1d f4 a0 6b\n0010: 67 98 cc 53",
        "00000000  3a c5 91 0e  |:...|\n00000004  77 d2 48 bf  |w.H.|\n",
        "[DEBUG] 0000: 3a c5 91 0e\n[DEBUG] 0004: 77 d2 48 bf\n",
        "0x7fffffffe000:\t0x3a\t0xc5\t0x91\t0x0e\n0x7fffffffe004:\t0x77\t0xd2\t0x48\t0xbf\n",
        "0x3au, 0xc5u, 0x91u, 0xeu, 0x77u, 0xd2u, 0x48u, 0xbfu",
        "58_u8, 197_u8, 145_u8, 14_u8, 119_u8, 210_u8, 72_u8, 191_u8",
        "58u8, 197u8, 145u8, 14u8, 119u8, 210u8, 72u8, 191u8, 6u8, 233u8, 92u8, 131u8, 29u8,",
        "M2FjNTkxMGU3N2QyNDhiZjA2ZTk1YzgzMWRmNGEwNmI2Nzk4Y2M1MzJhOGYxNWUyNWJiNDAxZGU0MGE5ZmQzNg==",
    ] {
        let mut count = 0;
        scan_text(&set, text, &mut Scratch::new(), &mut |_| count += 1);
        assert!(count > 0, "{text}");
    }
}

/// The column of characters of such a dump looks like bytes itself.
#[test]
fn a_token_of_hex_digits_is_found_in_a_dump_of_its_characters() {
    let token = *b"4f9a02c7d1b8e536";
    let mut set = SecretSet::new();
    set.register(&token, 1).unwrap();
    for width in [2, 4, 6] {
        let lines = token.chunks(width).zip((0..).step_by(width)).map(|(part, at)| {
            format!("{at:08x}: {}  {}\n", grouped(part, 2), String::from_utf8_lossy(part))
        });
        let (text, mut count) = (lines.collect::<String>(), 0);
        scan_text(&set, &text, &mut Scratch::new(), &mut |_| count += 1);
        assert!(count > 0, "{text}");
    }
}

#[test]
fn a_long_row_of_digits_takes_time_with_its_length_alone() {
    let mut set = SecretSet::new();
    set.register(&key(0), 1).unwrap();
    // With a square of it, each would take minutes.
    for text in ["4f9a02c7d1b8e5".repeat(40_000), "0x".repeat(300_000), "1a".repeat(300_000)] {
        scan_text(&set, &text, &mut Scratch::new(), &mut |_| panic!("there is no key in {text}"));
    }
}
