//! Durations and sizes with units: `300ms`, `1.5s`, `64KiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A duration with a unit: `ms`, `s` or `m`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes, with or without a unit: `B`, `KiB`, `MiB`, `GiB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "SizeText")]
pub(crate) struct Size(pub(crate) u64);

/// A text that is not a quantity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum QuantityError {
    /// The text is not a duration.
    #[error("`{0}` is not a duration: write a number with a unit, such as 300ms, 2s or 1m")]
    Span(String),
    /// The text is not a size.
    #[error("`{0}` is not a size: write bytes as a number, or with a unit, such as 64KiB or 2MiB")]
    Size(String),
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || QuantityError::Span(text.to_owned());
        let (number, unit) = split(text);
        let seconds_of_unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            _ => return Err(error()),
        };
        let number: f64 = number.parse().map_err(|_| error())?;
        Duration::try_from_secs_f64(number * seconds_of_unit).map(Self).map_err(|_| error())
    }
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || QuantityError::Size(text.to_owned());
        let (number, unit) = split(text);
        let bytes_of_unit: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(error()),
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(bytes_of_unit).map(Self).ok_or_else(error)
    }
}

impl TryFrom<String> for Span {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A size in a file: a bare number or a text with a unit.
#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl TryFrom<SizeText> for Size {
    type Error = QuantityError;

    fn try_from(text: SizeText) -> Result<Self, Self::Error> {
        match text {
            SizeText::Bytes(bytes) => Ok(Self(bytes)),
            SizeText::Text(text) => text.parse(),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        match milliseconds {
            0 => f.write_str("0s"),
            _ if milliseconds.is_multiple_of(1000) => write!(f, "{}s", milliseconds / 1000),
            _ => write!(f, "{milliseconds}ms"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let bytes = self.0;
        match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
            None => write!(f, "{bytes}"),
        }
    }
}

/// Splits a text after its digits.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_needs_a_unit() {
        assert_eq!("300ms".parse(), Ok(Span(Duration::from_millis(300))));
        assert_eq!("1.5 s".parse(), Ok(Span(Duration::from_millis(1500))));
        assert_eq!("2m".parse(), Ok(Span(Duration::from_secs(120))));
        for wrong in ["300", "", "ms", "-1s", "1h2", "1e400s", "99999999999999999999999s"] {
            assert_eq!(wrong.parse::<Span>(), Err(QuantityError::Span(wrong.to_owned())));
        }
    }

    #[test]
    fn size_without_a_unit_is_in_bytes() {
        assert_eq!("4096".parse(), Ok(Size(4096)));
        assert_eq!("64KiB".parse(), Ok(Size(65536)));
        assert_eq!("2 MiB".parse(), Ok(Size(2 << 20)));
        for wrong in
            ["", "KiB", "1.5MiB", "10 parsecs", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert_eq!(wrong.parse::<Size>(), Err(QuantityError::Size(wrong.to_owned())));
        }
    }

    #[test]
    fn quantities_are_printed_in_the_largest_exact_unit() {
        for text in ["300ms", "5s", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["4096", "64KiB", "2MiB", "1GiB"] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!(Size(1 << 20).to_string(), "1MiB");
        assert_eq!(Size(1000).to_string(), "1000");
    }
}
