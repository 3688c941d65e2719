//! The ways in which the sample driver takes its keys.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::sample::{Form, built, example, top};

/// Other key exchanges of the sample: a name, the data sheet, and what chooses it.
const EXCHANGES: [(&str, Form); 2] = [
    (
        "rsa",
        Form { sheet: Some("driver-rsa.toml"), top: "", environment: &[("VENDOR_UMD_KEX", "rsa")] },
    ),
    (
        "sealed",
        Form {
            sheet: Some("driver-sealed.toml"),
            top: "",
            environment: &[("VENDOR_UMD_KEX", "sealed")],
        },
    ),
];

#[test]
fn keys_that_are_wrapped_for_its_certificate_or_by_its_vendor_are_taken_and_the_corpus_holds() {
    for (name, form) in EXCHANGES {
        let built = built().driven(name, form);
        assert_eq!(built.broken("", "corpus"), BTreeMap::new(), "{name}");
        // That a finish without a start is found needs a key, and the program in C++ has it wrapped.
        let broken = built.broken("finish-without-start", "corpus/seeds");
        let Some(file) = broken.get("double-finish") else { panic!("{name}: {broken:?}") };
        let shown = built.in_cpp("finish-without-start", file);
        assert_eq!(shown, Ok((Some(3), Some(0))), "{name}");
    }
}

#[test]
fn a_key_exchange_that_cannot_be_is_told_before_anything_runs() {
    let [(_, rsa), (_, sealed)] = EXCHANGES;
    let no_kex = Form { environment: &[], ..rsa };
    let pem = example().join("rsa.pem").display().to_string();
    let usual = "mechanism = \"rsaes-oaep\"";
    let with = |line: &str| format!("{usual}\n{line}");
    let file = top().join("corpus/seeds/a-refresh-between-frames.seq");
    for (form, wrong, right, code, told) in [
        (no_kex, usual.to_owned(), usual, 2, "GetCaps 43 answered D3DDDIERR_NOTAVAILABLE"),
        (rsa, with("public-key = \"no.pem\""), usual, 2, "no.pem"),
        (rsa, with(&format!("public-key = \"{pem}\"")), usual, 5, ""),
        (rsa, with("hash = \"sha-256\""), usual, 3, "violation: wrong-answer"),
        (rsa, with("hash = \"md5\""), usual, 2, "unknown variant `md5`"),
        (
            sealed,
            "shim = \"no_such\"".to_owned(),
            "shim = \"vendor_wrap_key\"",
            2,
            "does not export no_such",
        ),
    ] {
        let sheet = built().driven("wrong", form).sheet("");
        let text = fs::read_to_string(&sheet).unwrap();
        assert!(text.contains(right));
        fs::write(&sheet, text.replace(right, &wrong)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        let output = command.args(["run", "--driver"]).arg(&sheet).arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(code), "{wrong}: {said}");
        assert!(said.contains(told), "{wrong}: {said}");
    }
}
