//! Names a reproducer for what happens in it.

use crate::invariant::Violation;
use crate::observation::{Phase, Standings, Trace};

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
        _ if !seen.call.enters_driver() => {}
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
    let mut standings = Standings::default();
    for (index, seen) in trace.calls.iter().enumerate().take(call) {
        standings.follow(index, seen);
    }
    match standings.session(Some(session)).phase() {
        Phase::Never => "unknown",
        phase => phase.word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workbench;
    use crate::sequence::SequenceText;

    fn trace_of(text: &str) -> Trace {
        let mut workbench = Workbench::new();
        workbench.run(&SequenceText::parse(text).unwrap().sequence());
        workbench.trace().clone()
    }

    #[test]
    fn a_session_is_where_its_answers_say() {
        let keyed = "d0 = create-device\ns0 = create-session d0\nexchange-key s0\n";
        for (more, state) in [
            ("", "keyed"),
            ("start-refresh s0\n", "refreshing"),
            ("start-refresh s0\nfinish-refresh s0\n", "keyed"),
            ("start-refresh s0\nreset-engine\n", "lost"),
            ("start-refresh s0 size=15\n", "keyed"),
            ("destroy-session s0\n", "destroyed"),
            ("destroy-device d0\n", "destroyed"),
            ("d1 = create-device\ndestroy-device d1\n", "keyed"),
        ] {
            let trace = trace_of(&format!("{keyed}{more}"));
            assert_eq!(session_state(&trace, trace.sequence_len, 0), state, "{more}");
        }
        assert_eq!(session_state(&trace_of(keyed), 1, 0), "unknown");
    }

    #[test]
    fn a_reproducer_is_named_for_the_call_the_answer_and_the_state() {
        let trace = trace_of("d0 = create-device\ns0 = create-session d0\nfinish-refresh s0\n");
        let named = |call, session| {
            let violation = Violation {
                invariant: "wrong-answer",
                call,
                session,
                happened: String::new(),
                expected: String::new(),
                rules: "",
                is_inferred: false,
                place: None,
            };
            reproducer_name(&violation, &trace)
        };
        assert_eq!(named(2, Some(0)), "finish-refresh-answered-invalidcall-while-unkeyed");
        assert_eq!(named(0, None), "create-device-answered-ok");
        assert_eq!(named(3, None), "retire-at-the-end-answered-ok");
        assert_eq!(named(99, None), "after-the-driver-is-gone");
    }
}
