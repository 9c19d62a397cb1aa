//! A run as a page that needs nothing but itself: lanes for the clients, the broker, each file of its disk and the oracle; faults
//! as icons; the life of a batch from the produce to each copy, each reader and its loss.

use crate::{
    json::{self, Object},
    lifeline::Life,
    report::Telling,
    trace::Scene,
    violation::Violation,
};

const PAGE: &str = include_str!("timeline/page.html");
const STYLE: &str = include_str!("timeline/style.css");
const SCRIPT: [&str; 4] = [
    include_str!("timeline/layout.js"),
    include_str!("timeline/draw.js"),
    include_str!("timeline/panel.js"),
    include_str!("timeline/keys.js"),
];

/// The page. `front`: what is known about the run, as name and value.
#[must_use]
pub fn page(
    scenes: &[Scene],
    lives: &[Life],
    violation: &Violation,
    telling: &Telling,
    front: &[(&str, String)],
) -> String {
    let data = Object::default()
        .text("name", violation.name)
        .text("promise", violation.promise())
        .with("story", &json::array(telling.sentences().map(json::quoted)))
        .maybe("subject", telling.subject.map(|at| at as u64))
        .with(
            "front",
            &json::array(
                front.iter().map(|(name, value)| json::array([json::quoted(name), json::quoted(value)])),
            ),
        )
        .with("lives", &json::array(lives.iter().map(life)))
        .with("scenes", &json::array(scenes.iter().map(Scene::json)))
        .done();
    PAGE.replace("/*STYLE*/", STYLE)
        .replace("/*SCRIPT*/", &SCRIPT.concat())
        .replace("{TITLE}", violation.name)
        // Last: nothing is replaced within it.
        .replace("/*DATA*/", &data)
}

fn life(life: &Life) -> String {
    let step = |step: &crate::lifeline::Step| {
        json::array([step.scene.to_string(), json::quoted(step.stage.name()), json::quoted(&step.words)])
    };
    let object = Object::default().text("name", &life.name);
    let object = match &life.place {
        Some(place) => object.text("place", place),
        None => object,
    };
    object.with("steps", &json::array(life.steps.iter().map(step))).done()
}
