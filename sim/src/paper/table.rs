//! Published figures beside ours.

use std::fmt;

use serde_json::{Value, json};

use super::stats::Estimate;

/// Where a figure may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Band {
    /// Between these, both included.
    Within(f64, f64),
    /// Ours is a distribution, its interval the central 95 % of the runs; this must lie in it (the
    /// outcome of a single published run).
    Holds(f64),
    /// Shown for comparison only.
    Free,
}

impl Band {
    /// Within a share of the published figure: 0.03 is 3 %.
    #[must_use]
    pub fn share(published: f64, share: f64) -> Self {
        Band::Within(published * (1.0 - share), published * (1.0 + share))
    }

    /// Within a factor of the published figure.
    #[must_use]
    pub fn factor(published: f64, factor: f64) -> Self {
        Band::Within(published / factor, published * factor)
    }

    /// Within so many units of the published figure.
    #[must_use]
    pub fn plus_minus(published: f64, units: f64) -> Self {
        Band::Within(published - units, published + units)
    }
}

/// A figure that is known to lie outside the published band, and why. It is shown as outside, and
/// guarded by an interval of its own, so that a change still shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stated {
    /// Where ours lies instead: from.
    pub low: f64,
    /// To.
    pub high: f64,
    /// The reason, after "outside the published band, because".
    pub because: &'static str,
}

/// What is to be said of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the published band.
    Ok,
    /// Outside it, where it has been stated to be.
    Outside,
    /// Outside it, and not where it has been stated to be. A figure that could not be measured, too.
    Missed,
    /// Nothing: there is no band.
    Shown,
}

impl Verdict {
    /// As printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Outside => "outside, as stated",
            Verdict::Missed => "MISSED",
            Verdict::Shown => "",
        }
    }
}

/// One figure of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// As published; `None`: only a band is known.
    pub published: Option<f64>,
    /// As the simulator finds it.
    pub ours: Estimate,
    /// Where it may lie.
    pub band: Band,
    /// Where it is known to lie, if that is outside the band.
    pub stated: Option<Stated>,
}

impl Row {
    /// A published figure and ours.
    #[must_use]
    pub fn new(name: impl Into<String>, published: f64, ours: Estimate, band: Band) -> Self {
        Row { name: name.into(), published: Some(published), ours, band, stated: None }
    }

    /// A figure for which only a band is known.
    #[must_use]
    pub fn within(name: impl Into<String>, ours: Estimate, low: f64, high: f64) -> Self {
        Row { name: name.into(), published: None, ours, band: Band::Within(low, high), stated: None }
    }

    /// States that ours lies elsewhere.
    #[must_use]
    pub fn stated(mut self, low: f64, high: f64, because: &'static str) -> Self {
        self.stated = Some(Stated { low, high, because });
        self
    }

    /// Whether there is a band to lie in.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        matches!(self.band, Band::Within(..))
    }

    /// Whether ours lies in the published band, or else where it has been stated to lie.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let inside = |low: f64, high: f64| (low..=high).contains(&self.ours.value);
        match (self.bounds(), self.stated) {
            (None, _) => Verdict::Shown,
            _ if self.holds_published() => Verdict::Ok,
            (Some((low, high)), _) if !matches!(self.band, Band::Holds(_)) && inside(low, high) => {
                Verdict::Ok
            }
            (_, Some(stated)) if inside(stated.low, stated.high) => Verdict::Outside,
            _ => Verdict::Missed,
        }
    }

    /// Whether ours is a distribution that holds what was published.
    fn holds_published(&self) -> bool {
        matches!(self.band, Band::Holds(published) if (self.ours.low..=self.ours.high).contains(&published))
    }

    /// The band's bounds.
    fn bounds(&self) -> Option<(f64, f64)> {
        match self.band {
            Band::Within(low, high) => Some((low, high)),
            Band::Holds(published) => Some((published, published)),
            Band::Free => None,
        }
    }

    fn record(&self) -> Value {
        json!({
            "name": self.name,
            "published": self.published,
            "ours": self.ours.value,
            "low": self.ours.low,
            "high": self.ours.high,
            "band": self.bounds().map(|(low, high)| [low, high]),
            "stated": self.stated.map(|stated| json!({
                "low": stated.low,
                "high": stated.high,
                "because": stated.because,
            })),
            "verdict": self.verdict().as_str(),
        })
    }
}

/// The outcome of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What was run.
    pub title: String,
    /// The figures.
    pub rows: Vec<Row>,
    /// What else there is to say, a line each.
    pub notes: Vec<String>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Table { title: title.into(), rows: Vec::new(), notes: Vec::new() }
    }

    /// The figures of which this is to be said.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.verdict() == verdict)
    }

    /// As JSON: title, rows, notes.
    #[must_use]
    pub fn record(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::record).collect();
        json!({ "title": self.title, "rows": rows, "notes": self.notes })
    }

    /// A figure by its name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// Tables as CSV, a line for each figure; missing values are empty.
#[must_use]
pub fn csv(tables: &[Table]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let number =
        |value: Option<f64>| value.filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string());
    let mut text = String::from("table,figure,published,ours,low,high,band_low,band_high,verdict\n");
    for (table, row) in tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row))) {
        let (low, high) = row.bounds().unzip();
        let ours = row.ours;
        let numbers = [row.published, Some(ours.value), Some(ours.low), Some(ours.high), low, high];
        let cells = [quoted(&table.title), quoted(&row.name)].into_iter().chain(numbers.map(number));
        let line: Vec<String> = cells.chain([row.verdict().as_str().to_owned()]).collect();
        text.push_str(&line.join(","));
        text.push('\n');
    }
    text
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        writeln!(f, "{}", self.title)?;
        writeln!(f, "  {:width$}  {:>9}  {:>9}  {:>19}  {:>19}", "", "published", "ours", "95 %", "band")?;
        for row in &self.rows {
            let published = row.published.map_or_else(|| "-".into(), short);
            let doubt = format!("{} .. {}", short(row.ours.low), short(row.ours.high));
            let band = row
                .bounds()
                .map_or_else(String::new, |(low, high)| format!("{} .. {}", short(low), short(high)));
            let verdict = row.verdict().as_str();
            let ours = short(row.ours.value);
            let line = format!(
                "  {:width$}  {published:>9}  {ours:>9}  {doubt:>19}  {band:>19}  {verdict}",
                row.name
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        for row in self.with(Verdict::Outside) {
            let Some(Stated { low, high, because }) = row.stated else { continue };
            let (low, high) = (short(low), short(high));
            writeln!(
                f,
                "  {}: outside the published band, because {because}; it stays in {low} .. {high}",
                row.name
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}

/// A number with as many decimals as it deserves.
fn short(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".into(),
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_gets_the_verdict_it_deserves() {
        let stated = Some((20.0, 30.0));
        let table = [
            (Band::share(10.0, 0.03), 10.2, None, Verdict::Ok),
            (Band::share(10.0, 0.03), 10.31, None, Verdict::Missed),
            (Band::factor(10.0, 2.0), 20.0, None, Verdict::Ok),
            (Band::factor(10.0, 2.0), 21.0, None, Verdict::Missed),
            (Band::factor(10.0, 2.0), 21.0, stated, Verdict::Outside),
            (Band::factor(10.0, 2.0), 4.9, stated, Verdict::Missed),
            (Band::factor(10.0, 2.0), 30.1, stated, Verdict::Missed),
            (Band::factor(10.0, 2.0), 15.0, stated, Verdict::Ok),
            (Band::plus_minus(10.0, 5.0), f64::NAN, None, Verdict::Missed),
            (Band::plus_minus(10.0, 5.0), f64::NAN, stated, Verdict::Missed),
            (Band::Free, 99.0, None, Verdict::Shown),
            (Band::Free, f64::NAN, None, Verdict::Shown),
        ];
        for (band, ours, stated, verdict) in table {
            let mut row = Row::new("x", 10.0, Estimate::exact(ours), band);
            if let Some((low, high)) = stated {
                row = row.stated(low, high, "of the test");
            }
            assert_eq!(row.verdict(), verdict, "{ours} in {band:?}, stated {stated:?}");
        }
    }

    #[test]
    fn a_single_published_run_must_lie_among_ours() {
        let spread = |low, high| Estimate { value: 4.0, low, high };
        let table = [(2.0, 6.0, Verdict::Ok), (2.0, 5.0, Verdict::Ok), (2.0, 4.5, Verdict::Outside)];
        for (low, high, verdict) in table {
            let row = Row::new("x", 5.0, spread(low, high), Band::Holds(5.0)).stated(3.5, 4.5, "of luck");
            assert_eq!(row.verdict(), verdict, "{low} .. {high}");
            let row = Row { stated: None, ..row };
            assert_eq!(row.verdict() == Verdict::Missed, verdict == Verdict::Outside);
        }
        // Being equal to it is not enough.
        let row = Row::new("x", 4.0, Estimate { value: 4.0, low: 5.0, high: 6.0 }, Band::Holds(4.0));
        assert_eq!(row.verdict(), Verdict::Missed);
    }

    #[test]
    fn what_lies_outside_is_said_with_its_reason() {
        let mut table = Table::new("x");
        let row = Row::new("a", 10.0, Estimate::exact(25.0), Band::factor(10.0, 2.0));
        table.rows.push(row.clone().stated(20.0, 30.0, "the moon was full"));
        table.rows.push(row);
        let text = table.to_string();
        assert!(text.contains("a: outside the published band, because the moon was full"), "{text}");
        assert_eq!(text.matches("MISSED").count(), 1);
        assert_eq!(csv(&[table.clone()]).matches("outside, as stated").count(), 1);
        assert_eq!(table.record()["rows"][0]["stated"]["because"], "the moon was full");
    }
}
