//! Published figures beside ours.

use std::fmt;

use serde_json::{Value, json};

use super::stats::Estimate;

/// Where a figure may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Band {
    /// Between these, both included.
    Within(f64, f64),
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
}

impl Row {
    /// A published figure and ours.
    #[must_use]
    pub fn new(name: impl Into<String>, published: f64, ours: Estimate, band: Band) -> Self {
        Row { name: name.into(), published: Some(published), ours, band }
    }

    /// Whether there is a band to lie in.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        matches!(self.band, Band::Within(..))
    }

    /// `ok`, `MISSED`, or nothing where there is no band.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match (self.is_judged(), self.holds()) {
            (false, _) => "",
            (true, true) => "ok",
            (true, false) => "MISSED",
        }
    }

    /// The band's bounds.
    fn bounds(&self) -> Option<(f64, f64)> {
        match self.band {
            Band::Within(low, high) => Some((low, high)),
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
            "verdict": self.verdict(),
        })
    }

    /// Whether ours lies in the band. A figure that could not be measured does not.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.band {
            Band::Within(low, high) => self.ours.value >= low && self.ours.value <= high,
            Band::Free => true,
        }
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

    /// The figures that lie outside their bands.
    pub fn misses(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.holds())
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
        let line: Vec<String> = cells.chain([row.verdict().to_owned()]).collect();
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
            let verdict = row.verdict();
            let ours = short(row.ours.value);
            let line = format!(
                "  {:width$}  {published:>9}  {ours:>9}  {doubt:>19}  {band:>19}  {verdict}",
                row.name
            );
            writeln!(f, "{}", line.trim_end())?;
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
    fn a_figure_outside_its_band_is_named() {
        let mut table = Table::new("x");
        table.rows.push(Row::new("a", 10.0, Estimate::exact(10.2), Band::share(10.0, 0.03)));
        table.rows.push(Row::new("b", 10.0, Estimate::exact(21.0), Band::factor(10.0, 2.0)));
        table.rows.push(Row::new("c", 10.0, Estimate::exact(f64::NAN), Band::plus_minus(10.0, 5.0)));
        table.rows.push(Row::new("d", 10.0, Estimate::exact(99.0), Band::Free));
        let names: Vec<&str> = table.misses().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        assert!(table.to_string().contains("MISSED"));
    }
}
