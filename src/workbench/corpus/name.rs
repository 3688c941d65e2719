//! Names a reproducer for what happens in it.

use crate::invariant::Violation;
use crate::observation::Trace;
use crate::sequence::Call;

/// The name of a reproducer, without its extension: `finish-refresh-answered-ok-while-keyed`.
///
/// Made of facts of the trace alone, so that the same bug always gets the same name.
#[must_use]
pub fn reproducer_name(violation: &Violation, trace: &Trace) -> String {
    let Some(seen) = trace.calls.get(violation.call) else {
        return "after-the-driver-is-gone".to_owned();
    };
    let mut name = seen.call.kind().word().to_owned();
    if violation.call >= trace.sequence_len {
        name.push_str("-at-the-end");
    }
    match seen.code {
        _ if seen.call.is_injection() => {}
        Some(code) if code.is_ok() => name.push_str("-answered-ok"),
        Some(code) => {
            let code = code.to_string();
            let short = ["D3DDDIERR_", "D3DERR_", "DXGI_ERROR_", "E_"]
                .iter()
                .find_map(|prefix| code.strip_prefix(prefix))
                .unwrap_or(&code);
            name.push_str("-answered-");
            name.push_str(&short.to_lowercase().replace('_', "-"));
        }
        None => name.push_str("-never-returned"),
    }
    if let Some(session) = violation.session {
        name.push_str("-while-");
        name.push_str(session_state(trace, violation.call, session));
    }
    name
}

/// Where a session stood before a call, as far as the answers until then tell.
#[must_use]
pub fn session_state(trace: &Trace, call: usize, session: u16) -> &'static str {
    let mut state = "unknown";
    for seen in trace.calls.iter().take(call).filter(|seen| seen.is_ok()) {
        if matches!(seen.call, Call::ResetEngine) && matches!(state, "keyed" | "refreshing") {
            state = "lost";
        }
        if seen.session_slot != Some(session) {
            continue;
        }
        state = match seen.call {
            Call::CreateSession { .. } => "unkeyed",
            Call::ExchangeKey { .. } | Call::FinishRefresh { .. } => "keyed",
            Call::StartRefresh { .. } => "refreshing",
            Call::DestroySession { .. } => "destroyed",
            _ => state,
        };
    }
    state
}
