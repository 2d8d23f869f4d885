//! Medians, quantiles and how numbers are written.

/// The middle value, or the mean of the two middle ones; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(high)) => *high,
        (_, None) => f64::NAN,
    }
}

/// The value below which `percent` of the sorted values lie.
pub(crate) fn quantile(sorted: &[u32], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().map_or(f64::NAN, f64::from)
}

/// A median with what the rounds lay between: `121,833 [118,209..123,411]`.
pub(crate) fn spread(values: &[f64], write: impl Fn(f64) -> String) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 => "n/a".to_owned(),
        1 => write(median(values)),
        _ => format!("{} [{}..{}]", write(median(values)), write(low), write(high)),
    }
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "no count here reaches 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The nearest whole number, grouped; what is negative is shown as 0.
pub(crate) fn rounded(value: f64) -> String {
    format!("{:.0}", value.max(0.0)).parse().map_or_else(|_| "n/a".to_owned(), grouped)
}
