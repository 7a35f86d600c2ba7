//! Columns.

/// Renders rows in left-aligned columns with two spaces between them.
///
/// Every cell but a row's last is padded to its column's widest. White space at both ends of the
/// whole is cut off, as Serf's commands do, so rows that end in empty cells keep their padding
/// unless they are the last (serf-agent, section 10).
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if index + 1 < row.len() {
                let padding = widths[index] - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn cells_are_padded_to_the_widest_of_their_column() {
        let rows = rows(&[&["a", "alive", ""], &["längst", "left", "x=y"]]);
        assert_eq!(render(&rows), "a       alive  \nlängst  left   x=y");
    }

    #[test]
    fn the_ends_of_the_whole_are_trimmed() {
        assert_eq!(render(&rows(&[&["a", ""], &["b", ""]])), "a  \nb");
        assert_eq!(render(&[]), "");
    }
}
