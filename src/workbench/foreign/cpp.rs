//! A sequence as one C++ file that opens the driver, makes the calls and checks each answer, for people who have
//! a debugger and no Rust.

use std::fmt::Write as _;

use rekeylab_ddi::{Guid, Limits};

use super::key_exchange::KeyWrapper;
use super::sheet::{ConventionName, Handles, ReadBackBy, Removal, Sheet};
use crate::executor::PlainTestMechanism;
use crate::observation::{Choices, Layer};
use crate::sequence::expand::{World, session_key};
use crate::sequence::{
    Call, CryptoType, DecodeProfile, HandleForm, NullPointer, SequenceText, SessionRef, Slot,
};

/// Everything but the calls: declarations, callbacks, a player with an AES of its own.
const PLAYER: &str = include_str!("reproducer.cpp");

/// What looks for secrets that stay behind, of a sequence that shows that.
const LEFTOVERS: &str = include_str!("leftovers.cpp");

/// What the description of a sequence says that shows a secret staying behind.
const RESIDUE: &str = "key-residue";

/// Why a sequence cannot be written in C++.
#[derive(Debug, thiserror::Error)]
#[error("call {index} ({call}) cannot be written in C++: {why}")]
pub struct NotInCpp {
    /// Which call, from 0.
    pub index: usize,
    /// The call.
    pub call: String,
    /// Why.
    pub why: &'static str,
}

/// What the client knows of a session or a device.
#[derive(Clone, Copy)]
struct Slots<'a> {
    device_count: usize,
    /// By session: its device, and whether it lives.
    sessions: &'a [(usize, bool)],
}

/// The C++ file of a sequence for the driver of this data sheet.
///
/// It checks the answers that the text expects, that random numbers stay in their buffer, and that each buffer
/// comes back as it was before it was encrypted under the key of its moment, and that no counter of a read-back is used
/// twice; and if the description says
/// `key-residue`, what is left of secrets in heap, statics, dead stack and registers. Calls that the real runtime would
/// refuse stand in comments.
///
/// # Errors
///
/// When a call passes something that is made for tests alone: forged handles, absent pointers.
pub fn cpp(text: &SequenceText, sheet: &Sheet, wrapper: &KeyWrapper) -> Result<String, NotInCpp> {
    let mut calls = String::new();
    let mut device_count = 0;
    let mut sessions: Vec<(usize, bool)> = Vec::new();
    for (index, entry) in text.entries.iter().enumerate() {
        let call = entry.call;
        let expected = match entry.expected {
            None => "any",
            Some(code) if code.is_ok() => "served",
            Some(_) => "refused",
        };
        let slots = Slots { device_count, sessions: &sessions };
        let line = line(index, &call, expected, slots, (sheet, wrapper))
            .map_err(|why| NotInCpp { index, call: call.to_string(), why })?;
        let is_served = expected != "refused";
        match (call, &line) {
            (Call::CreateDevice, _) => device_count += 1,
            (Call::CreateSession { device, .. }, _) => {
                sessions.push((device.resolve(device_count).unwrap_or(0), is_served));
            }
            (Call::DestroySession { session }, Some(_)) if is_served => {
                let slot = session.slot.resolve(sessions.len());
                slot.and_then(|slot| sessions.get_mut(slot))
                    .into_iter()
                    .for_each(|it| it.1 = false);
            }
            (Call::DestroyDevice { device, .. }, Some(_)) if is_served => {
                let ended = device.resolve(device_count);
                sessions.iter_mut().filter(|it| Some(it.0) == ended).for_each(|it| it.1 = false);
            }
            _ => {}
        }
        match line {
            Some(line) => writeln!(calls, "    say({index}, \"{call}\");\n    {line}"),
            None => writeln!(calls, "    // call {index}: {call} does not reach the driver"),
        }
        .expect("a string takes any text");
    }
    let title = text.description().lines().next().unwrap_or("A sequence of rekeylab").to_owned();
    let is_windows = sheet.convention != ConventionName::Native;
    let layer = |layer| if sheet.leave_out.has(layer) { "false" } else { "true" };
    let leftovers = LEFTOVERS
        .replace("@stack@", layer(Layer::Stack))
        .replace("@registers@", layer(Layer::Registers));
    let looks = text.description().contains(RESIDUE);
    let body = PLAYER
        .replace("@leftovers@\n", if looks { &leftovers } else { "" })
        .replace("@looks@", if looks { "1" } else { "0" })
        .replace("@library@", if looks { "    library_code = open;\n" } else { "" })
        .replace("@encrypted@", flag(sheet.read_back == ReadBackBy::EncryptionBlt))
        .replace("@restarts@", flag(sheet.choices.otherwise.has(Choices::COUNTERS_RESTART)))
        .replace("@two_rows@", flag(sheet.choices.otherwise.has(Choices::TWO_ROWS)))
        .replace("@may_hide@", flag(sheet.choices.otherwise.has(Choices::HIDDEN_CAPABILITIES)))
        .replace("@has_read_back_keys@", flag(sheet.choices.read_back_keys))
        .replace("@alignment@", &Limits::from(sheet.limits).block_alignment.max(1).to_string())
        .replace("@title@", &title)
        .replace("@windows@", if is_windows { "1" } else { "0" })
        .replace("@end@", &text.entries.len().to_string());
    Ok(body.replace("@calls@\n", &calls))
}

/// One call as a statement; `None` if it does not reach the driver.
fn line(
    index: usize,
    call: &Call,
    expected: &str,
    slots: Slots<'_>,
    (sheet, wrapper): (&Sheet, &KeyWrapper),
) -> Result<Option<String>, &'static str> {
    let of_session = |session: SessionRef| slots.session(session, sheet);
    let statement = match *call {
        Call::ContentProtectionCaps { .. } if !sheet.choices.capabilities => return Ok(None),
        Call::ContentProtectionCaps { crypto, profile, size, null } => {
            if null || size > 1 << 16 {
                return Err("its buffer is not there");
            }
            let (crypto, profile) = (crypto_guid(crypto)?, profile_guid(profile)?);
            format!("call_capabilities({index}, {crypto}, {profile}, {size}, {expected});")
        }
        Call::CreateDevice => format!("call_create_device({index}, {expected});"),
        Call::DestroyDevice { device, handle } => {
            let Some(device) = slots.device(device, handle)? else { return Ok(None) };
            format!("call_destroy_device({index}, {device}, {expected});")
        }
        Call::CreateSession { device, crypto, profile, handle } => {
            let Some(device) = slots.device(device, handle)? else { return Ok(None) };
            let (crypto, profile) = (crypto_guid(crypto)?, profile_guid(profile)?);
            format!("call_create_session({index}, {device}, {crypto}, {profile}, {expected});")
        }
        Call::DestroySession { session } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            format!("call_destroy_session({index}, {session}, {expected});")
        }
        Call::ExchangeKey { session, key, blob, shape } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            let mut bytes = [0; 16];
            session_key(World::default(), key, shape, &mut bytes);
            let (blob, claimed) = PlainTestMechanism::wrap(&bytes, blob);
            let blob = blob.as_ref().map(|bytes| &bytes[..]);
            let given = wrapper.translate(blob, claimed);
            let (wrapped, claimed) = given.map_err(|_| "its key cannot be wrapped")?;
            let owned = wrapped.as_ref().map_or(0, |bytes| bytes.len());
            if sheet.handles == Handles::RuntimeChecks && (claimed as usize > owned || owned == 0) {
                return Ok(None);
            }
            let key = list(&bytes);
            let wrapped = match wrapped {
                Some(bytes) => format!("Bytes{}", list(&bytes)),
                None => "no_bytes".to_owned(),
            };
            format!(
                "{{ const std::uint8_t key[] = {key}; \
                 call_exchange_key({index}, {session}, key, {wrapped}, {claimed}u, {expected}); }}"
            )
        }
        Call::StartRefresh { session, size, null } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            if null || size > 1 << 16 {
                return Err("its buffer is not there");
            }
            format!("call_start_refresh({index}, {session}, {size}, {expected});")
        }
        Call::EncryptionBltKey { session, size, null } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            if !sheet.choices.read_back_keys {
                return Ok(None);
            }
            if null || size > 1 << 16 {
                return Err("its buffer is not there");
            }
            format!("call_encryption_blt_key({index}, {session}, {size}, {expected});")
        }
        Call::FinishRefresh { session } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            format!("call_finish_refresh({index}, {session}, {expected});")
        }
        Call::SubmitBuffer { session, iv, count, len, null } => {
            let Some(session) = of_session(session)? else { return Ok(None) };
            if null != NullPointer::None || len > Limits::from(sheet.limits).buffer_len_max {
                return Err("its data or its counter is not there");
            }
            format!(
                "call_submit_buffer({index}, {session}, {iv}ull, {count}ull, {len}, {expected});"
            )
        }
        Call::Retire { count, .. } => {
            format!("std::printf(\"\\n\"); call_retire({index}, {count}u);")
        }
        Call::ResetEngine => match &sheet.removal {
            Removal::Never => return Ok(None),
            Removal::Hook(name) => format!("call_reset_engine({index}, {name:?});"),
            Removal::RenderCallback => format!("call_reset_engine({index}, nullptr);"),
        },
        Call::SessionStatus { .. } | Call::OpenAdapter { .. } | Call::CloseAdapter => {
            return Ok(None);
        }
        _ => return Err("it has no form there"),
    };
    Ok(Some(statement))
}

impl Slots<'_> {
    fn device(self, device: Slot, handle: HandleForm) -> Result<Option<usize>, &'static str> {
        if handle != HandleForm::Given {
            return Err("its handle is forged");
        }
        Ok(device.resolve(self.device_count))
    }

    /// The session, if the driver may be given it.
    fn session(self, session: SessionRef, sheet: &Sheet) -> Result<Option<usize>, &'static str> {
        if session.handle != HandleForm::Given {
            return Err("its handle is forged");
        }
        let Some(slot) = session.slot.resolve(self.sessions.len()) else { return Ok(None) };
        let (device, is_alive) = self.sessions[slot];
        let is_foreign =
            session.via.is_some_and(|via| via.resolve(self.device_count) != Some(device));
        if is_foreign && sheet.handles == Handles::Checked {
            return Err("it goes through another device");
        }
        Ok((is_alive && !is_foreign).then_some(slot))
    }
}

const fn flag(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

fn list(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02X}")).collect();
    format!("{{{}}}", bytes.join(", "))
}

fn crypto_guid(crypto: CryptoType) -> Result<String, &'static str> {
    Ok(guid(match crypto {
        CryptoType::Aes128Ctr => Guid::CRYPTO_TYPE_AES128_CTR,
        CryptoType::Null => Guid::NULL,
        CryptoType::Proprietary => Guid::CRYPTO_TYPE_PROPRIETARY,
        _ => return Err("its cipher is one that nobody knows"),
    }))
}

fn profile_guid(profile: DecodeProfile) -> Result<String, &'static str> {
    Ok(guid(match profile {
        DecodeProfile::None => Guid::NULL,
        DecodeProfile::H264 => Guid::DECODE_PROFILE_H264_VLD,
        _ => return Err("its profile is one that nobody knows"),
    }))
}

fn guid(Guid(g): Guid) -> String {
    if g == Guid::NULL.0 {
        return "Guid{}".to_owned();
    }
    let a = u32::from_le_bytes([g[0], g[1], g[2], g[3]]);
    let (b, c) = (u16::from_le_bytes([g[4], g[5]]), u16::from_le_bytes([g[6], g[7]]));
    format!("Guid{{0x{a:08X}, 0x{b:04X}, 0x{c:04X}, {}}}", list(&g[8..]))
}
