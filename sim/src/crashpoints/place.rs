//! The name of one image, which is all that is needed to make it again, and its story.

use core::fmt;
use std::str::FromStr;

use crate::{
    crashpoints::{
        base::Base,
        explorer::Teller,
        judge::Second,
        operation::Operation,
        stage::{Order, Watch},
    },
    mutant::Mutant,
    violation::Violation,
};

/// Where an image is in the space: `base/order/operations/point/image`, and `/step/image` for a second crash. `+n` behind the
/// point: once the client has heard that many times more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    base: Base,
    order: Order,
    pub(super) operations: Vec<Operation>,
    pub(super) point: usize,
    pub(super) heard: usize,
    pub(super) image: usize,
    pub(super) second: Option<Second>,
}

impl Place {
    pub(super) fn of(base: Base, order: Order) -> Place {
        Place { base, order, operations: Vec::new(), point: 0, heard: 0, image: 0, second: None }
    }
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Order::Oldest => "oldest",
            Order::InTurn => "in-turn",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operations: Vec<_> = self.operations.iter().map(|operation| operation.name()).collect();
        write!(f, "{}/{}/{}/{}", self.base, self.order.name(), operations.join("+"), self.point)?;
        if self.heard > 0 {
            write!(f, "+{}", self.heard)?;
        }
        write!(f, "/{}", self.image)?;
        match self.second {
            Some(second) => write!(f, "/{}/{}", second.step, second.image),
            None => Ok(()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (head, second) = match parts[..] {
            [_, _, _, _, _] => (parts, None),
            [a, b, c, d, e, step, image] => {
                let second = Second { step: number(step)?, image: number(image)? };
                (vec![a, b, c, d, e], Some(second))
            }
            _ => {
                return Err(String::from(
                    "base/order/operations/point/image, and /step/image for a second crash",
                ));
            }
        };
        let base = Base::named(head[0]).ok_or_else(|| format!("no base {:?}", head[0]))?;
        let order = [Order::Oldest, Order::InTurn].into_iter().find(|order| order.name() == head[1]);
        let order = order.ok_or_else(|| format!("no order {:?}", head[1]))?;
        let operations = head[2]
            .split('+')
            .map(|name| Operation::named(name).ok_or_else(|| format!("no operation {name:?}")))
            .collect::<Result<_, _>>()?;
        let (point, heard) = match head[3].split_once('+') {
            Some((point, heard)) => (number(point)?, number(heard)?),
            None => (number(head[3])?, 0),
        };
        Ok(Place { base, order, operations, point, heard, image: number(head[4])?, second })
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

/// Makes one image again, in words: what was done, what survived, what the start made of it.
#[must_use]
pub fn tell(place: &Place, mutant: Option<Mutant>) -> (Vec<String>, Option<Violation>) {
    let mut lines = Vec::new();
    let mut play = match place.base.make(mutant, true) {
        Ok(play) => play,
        Err(violation) => return (lines, Some(violation)),
    };
    lines.extend(play.stage.take_lines());
    play.stage.order = place.order;
    let config = play.stage.config.clone();
    let mut teller = Teller::new(place, config, mutant);
    let mut result = Ok(());
    for (at, operation) in place.operations.iter().enumerate() {
        if result.is_err() || !play.allows(*operation) {
            break;
        }
        play.stage.promises.add(*operation as u64);
        let last = at + 1 == place.operations.len();
        let watch: &mut dyn Watch = if last { &mut teller } else { &mut super::stage::Nobody };
        result = play.act(*operation, watch);
        if last && result.is_ok() {
            result = play.finish(watch);
        }
    }
    lines.extend(play.stage.take_lines());
    lines.append(&mut teller.lines);
    (lines, result.err().or(teller.violation))
}
