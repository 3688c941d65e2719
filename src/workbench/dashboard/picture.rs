//! The lives of secrets as a picture: a row a secret, a box a call.

use askama::Template;

use super::again::Life;

/// Sizes in the units of the picture, of which a letter is some seven wide.
const LETTER: usize = 7;
const BOX: usize = 16;
const ROW: usize = 22;

/// The picture as SVG in HTML; empty if there is nothing to see.
pub(super) fn picture(lives: &[Life], calls: &[String]) -> String {
    if lives.is_empty() {
        return String::new();
    }
    let longest = lives.iter().map(|life| life.name.chars().count()).max().unwrap_or(0);
    let left = longest * LETTER + 12;
    let call_count = lives.iter().map(|life| life.time_line.chars().count()).max().unwrap_or(0);
    let says = |index: usize| match calls.get(index) {
        Some(call) => format!("call {index}, {call}"),
        None if index + 1 == call_count => "the end, when the driver was gone".to_owned(),
        None => format!("call {index} of the epilogue"),
    };
    let mut rows = Vec::new();
    for (number, life) in lives.iter().enumerate() {
        let y = (number + 1) * ROW;
        let cells = life.time_line.chars().enumerate().filter_map(|(index, letter)| {
            let (class, meaning) = meaning(letter)?;
            let left_in: Vec<&str> = life
                .leftovers
                .iter()
                .filter(|spot| usize::try_from(spot.call) == Ok(index))
                .map(|spot| spot.place.as_str())
                .collect();
            let places = if left_in.is_empty() {
                String::new()
            } else {
                format!(": {}", left_in.join(", "))
            };
            let says = format!("{}: {meaning}{places}", says(index));
            Some(Cell { x: left + index * BOX, class, says })
        });
        rows.push(Row { y, name: &life.name, cause: &life.cause, cells: cells.collect() });
    }
    let marks = (0..call_count).step_by(5).map(|call| (left + call * BOX, call));
    let picture = Picture {
        width: left + call_count * BOX + 8,
        height: (lives.len() + 1) * ROW + 8,
        marks: marks.collect(),
        rows,
    };
    picture.render().unwrap_or_default()
}

/// What a letter of a time line means; `None` for a secret that is not alive.
fn meaning(letter: char) -> Option<(&'static str, &'static str)> {
    match letter {
        'H' => Some(("home", "in its home")),
        'Q' => Some(("bound", "only bound to queued commands")),
        '-' => Some(("unseen", "alive and not seen")),
        '!' => Some(("left", "where it must not be")),
        _ => None,
    }
}

#[derive(Debug, Template)]
#[template(path = "dashboard/lives.html")]
struct Picture<'a> {
    width: usize,
    height: usize,
    /// Where the numbers of calls stand.
    marks: Vec<(usize, usize)>,
    rows: Vec<Row<'a>>,
}

#[derive(Debug)]
struct Row<'a> {
    y: usize,
    name: &'a str,
    cause: &'a str,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    x: usize,
    class: &'static str,
    says: String,
}

#[cfg(test)]
mod tests {
    use super::super::again::Spot;
    use super::*;

    #[test]
    fn every_call_of_a_life_is_a_box_that_says_what_it_is() {
        let leftovers = vec![Spot { place: "a freed <block>".to_owned(), call: 3 }];
        let (name, cause) = ("K[s0, epoch 0]".to_owned(), "its session was destroyed".to_owned());
        let life = Life { name, cause, time_line: ".HQ!-.".to_owned(), leftovers };
        let calls = ["create-device", "exchange-key s0"].map(str::to_owned);
        let text = picture(&[life], &calls);
        assert_eq!(text.matches("<rect").count(), 4, "{text}");
        for said in [
            "call 1, exchange-key s0: in its home",
            "call 2 of the epilogue: only bound to queued commands",
            "where it must not be: a freed &#60;block&#62;",
            "class=\"left\"",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        assert_eq!(picture(&[], &calls), "");
    }
}
