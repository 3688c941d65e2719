//! What several crates do in the same way, because they implement the same traits: sealing, and signing with ECDSA.

use std::hint::black_box;

use aes_gcm::aead::{AeadInOut, KeyInit, consts::U12};
use aes_gcm::{Key, Nonce};

use crate::bench::{Bench, Trouble, failed};

const TEXT: &[u8] =
    b"what is sealed is no secret here, and long enough for several blocks of a cipher";
const NONCE: [u8; 12] = *b"a new nonce.";

/// A key is expanded, seals and opens, once where the cipher lies on the stack and once where it lies in a box.
pub(super) fn seal_and_open<Cipher>(bench: &mut Bench<'_>) -> Result<(), Trouble>
where
    Cipher: KeyInit + AeadInOut<NonceSize = U12>,
    for<'a> &'a Key<Cipher>: From<&'a [u8; 32]>,
{
    let key = bench.draw::<32>("key")?;
    let nonce = Nonce::from(NONCE);
    let mut text = TEXT.to_vec();
    text.reserve(64);

    let sealed = bench.call("seal", || {
        let cipher = Cipher::new((&*key).into());
        let sealed = cipher.encrypt_in_place(&nonce, b"", &mut text);
        black_box(&cipher);
        sealed
    });
    sealed.map_err(failed("sealing"))?;
    bench.look_at_output("what was sealed", &text);
    bench.check(text[..TEXT.len()] != *TEXT, "the text was encrypted")?;

    let mut cipher =
        Some(bench.call_that_moves("new and box", || Box::new(Cipher::new((&*key).into()))));
    let opened = bench.call("open", || {
        cipher.as_ref().map(|cipher| cipher.decrypt_in_place(&nonce, b"", &mut text))
    });
    bench.call("drop the box", || cipher = None);
    bench.retire(&key, "both ciphers are dropped");
    bench.check(opened == Some(Ok(())) && text == TEXT, "what was sealed is opened")
}
