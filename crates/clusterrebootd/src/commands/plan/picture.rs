//! A plan as a picture: a lane for each node, time to the right, closed windows shaded.

use super::Shown;
use super::scale::{Piece, Scale};
use super::text::{headline, in_words};
use super::words::{between, duration, moment};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reboot_sim::plan::{Lane, Span, Wait, What};
use std::collections::BTreeSet;
use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 20.0;
/// Above the lanes: headline, legend, times.
const HEAD: f64 = 124.0;
/// The legend's first row, and from one row to the next.
const LEGEND: f64 = 58.0;
const LEGEND_ROW: f64 = 18.0;
/// Days, and below them times.
const DAYS: f64 = HEAD - 21.0;
const TIMES: f64 = HEAD - 6.0;
/// What is narrower cannot be seen.
const WIDTH_MIN: f64 = 0.5;
/// A time's label is so wide.
const TIME_WIDTH: f64 = 44.0;
/// Below the lanes.
const FOOT: f64 = 24.0;
/// The widest names get so much, in pixels, and one character so much.
const NAME_WIDTH_MAX: f64 = 220.0;
const CHARACTER: f64 = 7.0;
/// The longest name that is shown whole.
const NAME_CHARS_MAX: usize = 30;

/// Colours for light and for dark screens; states differ in height as well as in colour.
const STYLE: &str = "\
:root{color-scheme:light dark}
svg{font:12px system-ui,'DejaVu Sans',sans-serif}
.paper{fill:#fff}.ink{fill:#1f2933}.faint{fill:#616e7c}.grid{stroke:#d9dee4}
.shut{fill:#9aa5b1;fill-opacity:.28}.fold{stroke:#616e7c;stroke-dasharray:2 3}
.stripe{fill:#7b8794;fill-opacity:.07}
.wait{fill:#9fb3c8}.window{fill:#cbd2d9}.cooldown{fill:#b69cdf}.blocked{fill:#d64545}
.claimed{fill:#f7d070}.draining{fill:#e8a317}.down{fill:#c0392b}.checking{fill:#2e9e6b}
.end{stroke:#2e9e6b;stroke-width:1.5}
.name{font-size:12px}.tiny{font-size:9px}.head{font-size:16px;font-weight:600}
@media(prefers-color-scheme:dark){
.paper{fill:#14191f}.ink{fill:#e4e7eb}.faint{fill:#9aa5b1}.grid{stroke:#2f3843}
.shut{fill:#7b8794;fill-opacity:.3}.stripe{fill:#cbd2d9;fill-opacity:.05}
.wait{fill:#486581}.window{fill:#3e4c59}.cooldown{fill:#7a5fb0}.blocked{fill:#e66a6a}
.claimed{fill:#c99a2e}.draining{fill:#f0b429}.down{fill:#e0533f}.checking{fill:#3ebd83}
.end{stroke:#3ebd83}}";

/// How high a lane is, and how its name is written.
struct Rows {
    height: f64,
    class: &'static str,
    /// Every so manyth name is written.
    named: usize,
}

struct Picture<'a> {
    shown: &'a Shown,
    lanes: Vec<&'a Lane>,
    rows: Rows,
    scale: Scale,
    left: f64,
    end: Timestamp,
    text: String,
}

/// Draws it.
pub(super) fn draw(shown: &Shown) -> String {
    let mut picture = Picture::of(shown);
    picture.open();
    picture.legend();
    picture.stripes();
    picture.shut();
    picture.times();
    picture.draw_lanes();
    picture.end();
    picture.text.push_str("</svg>\n");
    picture.text
}

// === impl Rows ===

impl Rows {
    fn of(lanes: usize) -> Self {
        let (height, class, named) = match lanes {
            0..=60 => (22.0, "name", 1),
            61..=300 => (12.0, "tiny", 1),
            _ => (4.0, "tiny", 5),
        };
        Self {
            height,
            class,
            named,
        }
    }
}

// === impl Picture ===

impl<'a> Picture<'a> {
    fn of(shown: &'a Shown) -> Self {
        let plan = &shown.plan;
        let mut lanes: Vec<&Lane> = plan.lanes.iter().collect();
        let last = Timestamp::MAX;
        lanes.sort_by_key(|lane| lane.goes_down().unwrap_or(last));
        let longest = lanes
            .iter()
            .map(|lane| shortened(&lane.node).chars().count())
            .max();
        let names = (longest.unwrap_or(0) as f64 * CHARACTER).min(NAME_WIDTH_MAX);
        let left = MARGIN + names + 10.0;
        let end = plan.end.unwrap_or(plan.horizon);
        let mut moments = BTreeSet::from([plan.start, end]);
        for span in lanes.iter().flat_map(|lane| &lane.spans) {
            moments.extend([span.from, span.to.min(end)]);
        }
        Self {
            shown,
            rows: Rows::of(lanes.len()),
            lanes,
            scale: Scale::of(&moments, left, WIDTH - MARGIN - left),
            left,
            end,
            text: String::new(),
        }
    }

    fn zone(&self) -> &'a TimeZone {
        &self.shown.zone.rules
    }

    fn bottom(&self) -> f64 {
        HEAD + self.rows.height * self.lanes.len() as f64
    }

    /// Writes a line; a string takes it always.
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
        self.text.push('\n');
    }

    fn open(&mut self) {
        let height = self.bottom() + FOOT;
        let headline = escaped(&headline(self.shown));
        let from = moment(self.shown.plan.start, self.zone());
        self.line(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">"
        ));
        self.line(format_args!(
            "<title id=\"title\">Reboot plan: {headline}</title>"
        ));
        self.line(format_args!(
            "<desc id=\"desc\">One lane for each node, in the order in which they go down; time \
             runs to the right from {from}. Shaded: outside the maintenance windows.</desc>"
        ));
        self.line(format_args!("<style>{STYLE}</style>"));
        self.line(format_args!(
            "<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>"
        ));
        self.line(format_args!(
            "<text class=\"ink head\" x=\"{MARGIN}\" y=\"30\">{headline}</text>"
        ));
    }

    /// Only what the picture shows.
    fn legend(&mut self) {
        let spans = self.lanes.iter().flat_map(|lane| &lane.spans);
        let drawn = spans.filter(|span| self.width(span) >= WIDTH_MIN);
        let whats: BTreeSet<What> = drawn.map(|span| span.what).collect();
        let mut entries: Vec<(&str, f64, String)> = Vec::new();
        for what in whats {
            let (class, height, label) = looks(what);
            if !entries.iter().any(|entry| entry.2 == label) {
                entries.push((class, height, label));
            }
        }
        if !self.shown.closed.is_empty() {
            entries.push(("shut", 1.0, "outside the windows".to_owned()));
        }
        let (mut x, mut row) = (MARGIN, 0.0);
        for (class, height, label) in entries {
            let width = 21.0 + label.chars().count() as f64 * CHARACTER + 12.0;
            if x + width > WIDTH {
                (x, row) = (MARGIN, row + LEGEND_ROW);
            }
            let tall = 12.0 * height;
            let y = LEGEND + row - 10.0 + (12.0 - tall) / 2.0;
            self.line(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"16\" \
                 height=\"{tall:.1}\"/><text class=\"ink\" x=\"{}\" y=\"{}\">{label}</text>",
                x + 21.0,
                LEGEND + row
            ));
            x += width;
        }
    }

    fn stripes(&mut self) {
        for number in (0..self.lanes.len()).step_by(2) {
            let y = HEAD + self.rows.height * number as f64;
            let height = self.rows.height;
            self.line(format_args!(
                "<rect class=\"stripe\" x=\"{MARGIN}\" y=\"{y}\" width=\"{}\" \
                 height=\"{height}\"/>",
                WIDTH - 2.0 * MARGIN
            ));
        }
    }

    fn shut(&mut self) {
        let height = self.bottom() - HEAD;
        for stretch in &self.shown.closed {
            let [x, to] = [stretch.from, stretch.to].map(|at| self.scale.place(at));
            self.line(format_args!(
                "<rect class=\"shut\" x=\"{x:.1}\" y=\"{HEAD}\" width=\"{:.1}\" \
                 height=\"{height}\"/>",
                to - x
            ));
        }
    }

    fn times(&mut self) {
        let mut day = String::new();
        for piece in self.scale.pieces().to_vec() {
            if piece.is_folded {
                self.fold(&piece);
                continue;
            }
            let free = piece.left + TIME_WIDTH / 2.0..piece.left + piece.width - TIME_WIDTH / 2.0;
            for at in piece.ticks(self.zone()) {
                let x = self.scale.place(at);
                self.tick(x);
                if free.contains(&x) {
                    self.time(x, at, &mut day);
                }
            }
        }
        let start = self.shown.plan.start.to_zoned(self.zone().clone());
        let zone = start.strftime("%Z");
        let x = self.left - 8.0;
        self.line(format_args!(
            "<text class=\"faint\" x=\"{x:.1}\" y=\"{TIMES}\" text-anchor=\"end\">{zone}</text>"
        ));
    }

    fn tick(&mut self, x: f64) {
        let bottom = self.bottom();
        self.line(format_args!(
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
        ));
    }

    /// The time at a tick, and the day where it is another.
    fn time(&mut self, x: f64, at: Timestamp, day: &mut String) {
        let clock = at.to_zoned(self.zone().clone());
        let format = if at.as_second() % 60 == 0 {
            "%H:%M"
        } else {
            "%H:%M:%S"
        };
        let time = clock.strftime(format);
        self.line(format_args!(
            "<text class=\"faint\" x=\"{x:.1}\" y=\"{TIMES}\" \
             text-anchor=\"middle\">{time}</text>"
        ));
        let today = clock.strftime("%a %d %b").to_string();
        if *day != today {
            self.line(format_args!(
                "<text class=\"ink\" x=\"{x:.1}\" y=\"{DAYS}\" \
                 text-anchor=\"middle\">{today}</text>"
            ));
            *day = today;
        }
    }

    fn fold(&mut self, piece: &Piece) {
        let bottom = self.bottom();
        for x in [piece.left, piece.left + piece.width] {
            self.line(format_args!(
                "<line class=\"fold\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
            ));
        }
        let x = piece.left + piece.width / 2.0;
        let words = duration(between(piece.from, piece.to));
        let place = format!("x=\"{x:.1}\" y=\"{TIMES}\" text-anchor=\"middle\"");
        self.line(format_args!(
            "<text class=\"faint\" {place}>⋯ {words}</text>"
        ));
    }

    fn draw_lanes(&mut self) {
        for (number, lane) in self.lanes.clone().into_iter().enumerate() {
            let top = HEAD + self.rows.height * number as f64;
            if number % self.rows.named == 0 {
                let name = escaped(&shortened(&lane.node));
                let (x, y) = (self.left - 8.0, top + self.rows.height / 2.0 + 4.0);
                let class = self.rows.class;
                self.line(format_args!(
                    "<text class=\"ink {class}\" x=\"{x:.1}\" y=\"{y}\" \
                     text-anchor=\"end\">{name}</text>"
                ));
            }
            for span in &lane.spans {
                self.span(lane, span, top);
            }
            if lane.done.is_none() {
                self.blocked(lane, top);
            }
        }
    }

    fn width(&self, span: &Span) -> f64 {
        let [left, right] = [span.from, span.to.min(self.end)].map(|at| self.scale.place(at));
        right - left
    }

    fn span(&mut self, lane: &Lane, span: &Span, top: f64) {
        let width = self.width(span);
        if width < WIDTH_MIN && span.what == What::Claimed {
            return; // a moment between two states that show
        }
        let (class, height, label) = looks(span.what);
        let to = span.to.min(self.end);
        let x = self.scale.place(span.from);
        let tall = (self.rows.height * 0.72 * height).max(1.0);
        let y = top + (self.rows.height - tall) / 2.0;
        let took = duration(between(span.from, to));
        let (name, says) = (escaped(&lane.node.to_string()), escaped(&span.says));
        let says = if says.is_empty() {
            says
        } else {
            format!(": {says}")
        };
        self.line(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" \
             height=\"{tall:.1}\"><title>{name}: {label}, {took}{says}</title></rect>",
            width.max(WIDTH_MIN)
        ));
    }

    /// At the right of a lane that does not end: why.
    fn blocked(&mut self, lane: &Lane, top: f64) {
        let tall = self.rows.height * 0.72;
        let y = top + (self.rows.height - tall) / 2.0;
        let x = WIDTH - MARGIN - 5.0;
        let reasons = escaped(&lane.blocked_by.join("; "));
        let name = escaped(&lane.node.to_string());
        self.line(format_args!(
            "<rect class=\"blocked\" x=\"{x}\" y=\"{y:.1}\" width=\"5\" \
             height=\"{tall:.1}\"><title>{name} is not done: {reasons}</title></rect>"
        ));
    }

    fn end(&mut self) {
        if self.shown.plan.end.is_none() {
            return;
        }
        let (x, bottom) = (self.scale.place(self.end), self.bottom());
        self.line(format_args!(
            "<line class=\"end\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
        ));
        let done = self.end.to_zoned(self.zone().clone());
        let done = done.strftime("%a %H:%M");
        self.line(format_args!(
            "<text class=\"faint\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">done {done}</text>",
            bottom + 16.0
        ));
    }
}

/// How a span looks: its class, its height as a part of the lane, its name.
fn looks(what: What) -> (&'static str, f64, String) {
    match what {
        What::Waiting(wait) => {
            let class = match wait {
                Wait::Slot => "wait",
                Wait::Window => "window",
                Wait::Cooldown => "cooldown",
                Wait::Peers | Wait::Pause | Wait::DailyCap | Wait::Other => "blocked",
            };
            (class, 0.22, format!("waits for {}", in_words(wait)))
        }
        What::Claimed => ("claimed", 0.6, "has a slot".to_owned()),
        What::Draining => ("draining", 0.8, "drains".to_owned()),
        What::Down => ("down", 1.0, "down".to_owned()),
        What::Checking => ("checking", 0.8, "checks itself".to_owned()),
    }
}

fn shortened(name: &impl ToString) -> String {
    let name = name.to_string();
    match name.chars().count() > NAME_CHARS_MAX {
        false => name,
        true => name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

/// Text that stands between tags.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
