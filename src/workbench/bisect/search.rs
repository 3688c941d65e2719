//! Which revision to ask next: the middle, or what is next to it when that one cannot answer.

use std::collections::BTreeMap;

/// What a revision says about a bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It has the bug.
    Shows,
    /// It does not.
    Holds,
    /// It cannot say, and why.
    Skipped(String),
}

/// What came of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whether the last revision has the bug and the first does not; otherwise it was mended.
    pub is_brought: bool,
    /// The revisions of which one made the change, in order: one, or with it those before it that could
    /// not say.
    pub suspects: Vec<usize>,
    /// What was asked, by revision.
    pub answers: BTreeMap<usize, Answer>,
}

/// Searches revisions `0..count`, of which the first is known as good and the last as bad or the other
/// way round, for the one from which on they answer differently than the first. It asks each at most
/// once, and some log₂ of them unless many cannot say.
///
/// # Errors
///
/// What is wrong with the two ends: one cannot say, or both say the same.
pub fn search(count: usize, mut ask: impl FnMut(usize) -> Answer) -> Result<Outcome, String> {
    let mut answers = BTreeMap::new();
    let last = count.saturating_sub(1);
    for end in [0, last] {
        let answer = ask(end);
        if let Answer::Skipped(why) = answer {
            let which = if end == 0 { "first" } else { "last" };
            return Err(format!("the {which} revision cannot say whether it has the bug: {why}"));
        }
        answers.insert(end, answer);
    }
    let is_brought = match (&answers[&0], &answers[&last]) {
        (Answer::Holds, Answer::Shows) => true,
        (Answer::Shows, Answer::Holds) => false,
        (Answer::Shows, _) => return Err("both revisions have the bug".to_owned()),
        _ => return Err("neither revision has the bug".to_owned()),
    };
    // What is at `low` and before is as the first, what is at `high` and behind is as the last.
    let (mut low, mut high) = (0, last);
    while let Some(next) = next_of(low, high, &answers) {
        let answer = ask(next);
        match &answer {
            Answer::Skipped(_) => {}
            answer if *answer == answers[&0] => low = next,
            _ => high = next,
        }
        answers.insert(next, answer);
    }
    Ok(Outcome { is_brought, suspects: (low + 1..=high).collect(), answers })
}

/// The revision nearest to the middle between two that was not asked yet.
fn next_of(low: usize, high: usize, answers: &BTreeMap<usize, Answer>) -> Option<usize> {
    let middle = low + (high - low) / 2;
    let open = (low + 1..high).filter(|index| !answers.contains_key(index));
    open.min_by_key(|&index| (index.abs_diff(middle), index))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found among 30 revisions when this one changes it and these cannot say.
    fn found(change: usize, skipped: &[usize]) -> Outcome {
        let answer = |index: usize| match index {
            index if skipped.contains(&index) => Answer::Skipped("it does not build".to_owned()),
            index if index < change => Answer::Holds,
            _ => Answer::Shows,
        };
        search(30, answer).unwrap()
    }

    #[test]
    fn every_change_is_found_with_few_questions() {
        for change in 1..30 {
            let outcome = found(change, &[]);
            assert_eq!((outcome.is_brought, &outcome.suspects[..]), (true, &[change][..]));
            assert!(outcome.answers.len() <= 7, "{}", outcome.answers.len());
        }
    }

    #[test]
    fn one_that_cannot_say_hides_a_change_only_if_that_is_next_to_it() {
        for change in 1..30 {
            for skipped in (1..29).filter(|&skipped| skipped != change) {
                let suspects = found(change, &[skipped]).suspects;
                let expected =
                    if skipped + 1 == change { vec![skipped, change] } else { vec![change] };
                assert_eq!(suspects, expected, "{change} without {skipped}");
            }
            if change < 29 {
                assert_eq!(found(change, &[change]).suspects, [change, change + 1]);
            }
        }
    }

    #[test]
    fn a_bug_that_was_mended_is_found_too() {
        let mended = search(30, |index| if index < 11 { Answer::Shows } else { Answer::Holds });
        let mended = mended.unwrap();
        assert_eq!((mended.is_brought, mended.suspects), (false, vec![11]));
    }

    #[test]
    fn ends_that_say_the_same_or_nothing_are_told() {
        let error = |answer: Answer| search(30, |_| answer.clone()).unwrap_err();
        assert!(error(Answer::Shows).starts_with("both"));
        assert!(error(Answer::Holds).starts_with("neither"));
        assert!(error(Answer::Skipped("x".to_owned())).ends_with("has the bug: x"));
    }
}
