//! Which lines are run in one build and not in the other, whatever moved them.

use std::collections::BTreeMap;

use similar::DiffOp;
use similar::algorithms::{Capture, myers};

use super::lines::{Coverage, FileCoverage};

/// A line whose coverage is not what it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The file, by its path from the top of the repository.
    pub file: String,
    /// Its line in the newer build, from 1.
    pub line: u32,
    /// What stands there.
    pub text: String,
    /// What became of it.
    pub change: Change,
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Change {
    /// It was run before, and is not run any more.
    Lost,
    /// It was not run before, and is run now.
    Gained,
    /// It is new, and never run.
    NewAndUnreached,
    /// It is new, and run.
    NewAndReached,
}

impl Change {
    /// Its name, in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
            Self::NewAndUnreached => "new, never run",
            Self::NewAndReached => "new, run",
        }
    }
}

/// Every line of `after` whose coverage is not that of the same line in `before`, in order.
#[must_use]
pub fn compare(before: &Coverage, after: &Coverage) -> Vec<Difference> {
    let none = FileCoverage::default();
    let mut differences = Vec::new();
    for (path, now) in &after.files {
        let then = before.files.get(path).unwrap_or(&none);
        let places = places(then, now);
        let lines: Vec<&str> = now.text.lines().collect();
        for (&line, &count) in &now.counts {
            let was = places.get(&line).map(|old| then.counts.get(old).copied().unwrap_or(0));
            let change = match (was, count) {
                (None, 0) => Change::NewAndUnreached,
                (None, _) => Change::NewAndReached,
                (Some(0), 1..) => Change::Gained,
                (Some(1..), 0) => Change::Lost,
                _ => continue,
            };
            let text = lines.get(line as usize - 1).copied().unwrap_or("").to_owned();
            differences.push(Difference { file: path.clone(), line, text, change });
        }
    }
    differences
}

/// By line of the newer file: the same line of the older one, if it is there.
fn places(then: &FileCoverage, now: &FileCoverage) -> BTreeMap<u32, u32> {
    let before: Vec<&str> = then.text.lines().collect();
    let after: Vec<&str> = now.text.lines().collect();
    let mut capture = Capture::new();
    // `TextDiff` is shorter to write, and has each algorithm compiled for each kind of text.
    let Ok(()) = myers::diff(&mut capture, &before, 0..before.len(), &after, 0..after.len());
    let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
    let mut places = BTreeMap::new();
    for op in capture.into_ops() {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            places.extend((0..len).map(|at| (number(new_index + at), number(old_index + at))));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(text: &str, counts: &[(u32, u64)]) -> Coverage {
        let counts = counts.iter().copied().collect();
        let file = FileCoverage { counts, text: text.to_owned() };
        Coverage { files: BTreeMap::from([("a.rs".to_owned(), file)]) }
    }

    #[test]
    fn a_line_that_moved_is_the_same_line() {
        let before = coverage("a\nb\nc\n", &[(1, 1), (2, 0), (3, 5)]);
        let after = coverage("new\na\nb\nc\nlast\n", &[(1, 0), (2, 1), (3, 7), (4, 0), (5, 1)]);
        let told: Vec<_> =
            compare(&before, &after).into_iter().map(|it| (it.line, it.text, it.change)).collect();
        let expected = [
            (1, "new", Change::NewAndUnreached),
            (3, "b", Change::Gained),
            (4, "c", Change::Lost),
            (5, "last", Change::NewAndReached),
        ];
        assert_eq!(told, expected.map(|(line, text, change)| (line, text.to_owned(), change)));
        assert_eq!(compare(&after, &after), []);
    }
}
