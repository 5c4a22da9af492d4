//! Bars over a time axis.

/// Blocks of one to seven eighths of a column, from its left.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The right half of a column.
const RIGHT_HALF: char = '▐';

/// Draws a bar from `begin` to `end` on an axis from 0 to `axis`, in exactly `width` columns. A bar has at least one
/// part; the rest beyond the axis is cut.
pub(crate) fn bar(begin: u64, end: u64, axis: u64, width: usize, blocks: bool) -> String {
    let parts = if blocks { 8 } else { 1 };
    let all = width * parts;
    // A run that began has at least one part.
    let first = scaled(begin, axis, all).min(all.saturating_sub(1));
    let last = scaled(end, axis, all).clamp(first + 1, all.max(first + 1));
    let cell = |column: usize| {
        let (left, right) = (column * parts, (column + 1) * parts);
        let (from, to) = (first.max(left), last.min(right));
        if from >= to {
            ' '
        } else if !blocks {
            '#'
        } else if to == right && from - left >= parts / 2 {
            RIGHT_HALF
        } else {
            // There are no blocks that begin elsewhere than at the left, so it begins there.
            EIGHTHS.get(to - left - 1).copied().unwrap_or('█')
        }
    };
    (0..width).map(cell).collect()
}

/// Returns the position of a time on an axis of this number of parts.
fn scaled(time: u64, axis: u64, parts: usize) -> usize {
    let part = u128::from(time) * parts as u128 / u128::from(axis.max(1));
    usize::try_from(part).unwrap_or(usize::MAX).min(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_in_eighths() {
        for (begin, end, axis, drawn) in [
            (0, 80, 80, "██████████"),
            (0, 40, 80, "█████     "),
            (0, 41, 80, "█████▏    "),
            (4, 16, 80, "▐█        "),
            (2, 16, 80, "██        "),
            (79, 80, 80, "         ▐"),
            (80, 80, 80, "         ▐"),
            (0, 0, 80, "▏         "),
            (0, 0, 0, "▏         "),
            (10, 20, 80, " █▌       "),
            (40, 900, 80, "     █████"),
            (900, 901, 80, "         ▐"),
        ] {
            assert_eq!(bar(begin, end, axis, 10, true), drawn, "{begin} to {end} of {axis}");
        }
    }

    #[test]
    fn bars_in_signs() {
        for (begin, end, axis, drawn) in
            [(0, 10, 10, "##########"), (0, 0, 10, "#         "), (0, 0, 0, "#         "), (5, 7, 10, "     ##   ")]
        {
            assert_eq!(bar(begin, end, axis, 10, false), drawn);
        }
        assert_eq!(bar(u64::MAX, u64::MAX, u64::MAX, 3, false), "  #");
        assert_eq!(bar(0, 1, 1, 0, true), "");
    }
}
