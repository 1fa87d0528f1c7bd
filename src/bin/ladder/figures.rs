//! How figures are written: as many digits as they are worth.

/// `84.3 k`, `1,234`, `9.61`, `0.250`.
pub fn plain(value: f64) -> String {
    match value.abs() {
        1e7.. => format!("{:.1} M", value / 1e6),
        1e6.. => format!("{:.2} M", value / 1e6),
        1e5.. => format!("{:.0} k", value / 1e3),
        1e4.. => format!("{:.1} k", value / 1e3),
        1e3.. => format!("{:.2} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ if value == 0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

/// Microseconds as µs, ms or s.
pub fn time(us: f64) -> String {
    match us {
        1e6.. => format!("{} s", plain(us / 1e6)),
        1e3.. => format!("{} ms", plain(us / 1e3)),
        _ => format!("{} µs", plain(us)),
    }
}

/// Bytes as B, kB, MB or GB.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{:.2} GB", bytes / 1e9),
        1e6.. => format!("{:.1} MB", bytes / 1e6),
        1e4.. => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

/// A count as it is: `10000`.
pub fn count(value: f64) -> String {
    format!("{value:.0}")
}

/// A part of a whole: `97 %`.
pub fn share(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// A ratio: `1.10`.
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_their_unit() {
        assert_eq!(plain(84_312.0), "84.3 k");
        assert_eq!(plain(9.614), "9.61");
        assert_eq!(plain(0.0), "0");
        assert_eq!(time(640.4), "640 µs");
        assert_eq!(time(4_521.0), "4.52 ms");
        assert_eq!(time(2_500_000.0), "2.50 s");
        assert_eq!(bytes(384.2), "384 B");
        assert_eq!(share(0.968), "97 %");
        assert_eq!(bytes(2.5e9), "2.50 GB");
        assert_eq!(ratio(1.0971), "1.10");
    }
}
