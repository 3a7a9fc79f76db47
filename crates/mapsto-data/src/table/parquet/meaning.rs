//! What the values of a column of Parquet mean, as numbers.

use half::f16;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescriptor;

const SECONDS_PER_DAY: f64 = 86400.0;
/// The day that the beginning of 1970 is, counted from the beginning of the Julian period.
const JULIAN_1970: f64 = 2_440_588.0;

/// How the values of a column are to be understood.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// Numbers, so many of which are one.
    Number(f64),
    /// Numbers without a sign.
    Unsigned,
    /// Points in time, so many of which are a second.
    Time(i64),
    /// Days since 1970.
    Days,
    /// Half-precision numbers.
    Half,
    /// UTF-8.
    Text,
}

impl Meaning {
    /// What the values of a column mean, or why it has no place in a table.
    pub(super) fn of(column: &ColumnDescriptor) -> Result<Meaning, String> {
        if column.path().parts().len() > 1 || column.max_rep_level() > 0 {
            return Err("holds lists or records; a table has one value in each row of a column".into());
        }
        let unit = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        };
        let decimal = |scale: i32| Meaning::Number(10f64.powi(scale));
        let old = match column.converted_type() {
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Some(Meaning::Text),
            ConvertedType::DECIMAL => Some(decimal(column.type_scale())),
            ConvertedType::DATE => Some(Meaning::Days),
            ConvertedType::TIME_MILLIS => Some(Meaning::Number(1e3)),
            ConvertedType::TIME_MICROS => Some(Meaning::Number(1e6)),
            ConvertedType::TIMESTAMP_MILLIS => Some(Meaning::Time(1_000)),
            ConvertedType::TIMESTAMP_MICROS => Some(Meaning::Time(1_000_000)),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Some(Meaning::Unsigned)
            }
            _ => None,
        };
        let said = match column.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => Some(Meaning::Text),
            Some(LogicalType::Decimal(decimals)) => Some(decimal(decimals.scale)),
            Some(LogicalType::Date) => Some(Meaning::Days),
            Some(LogicalType::Time(time)) => Some(Meaning::Number(unit(&time.unit) as f64)),
            Some(LogicalType::Timestamp(time)) => Some(Meaning::Time(unit(&time.unit))),
            Some(LogicalType::Integer(integer)) if !integer.is_signed => Some(Meaning::Unsigned),
            Some(LogicalType::Float16) => Some(Meaning::Half),
            Some(LogicalType::Integer(_) | LogicalType::Unknown) | None => old,
            Some(_) => return Err("holds bytes; a table has numbers, times, truths and texts".into()),
        };
        match (column.physical_type(), said) {
            // Old programs write texts without saying so.
            (Type::BYTE_ARRAY, None) => Ok(Meaning::Text),
            (Type::FIXED_LEN_BYTE_ARRAY, None) => {
                Err("holds bytes; a table has numbers, times, truths and texts".into())
            }
            (_, said) => Ok(said.unwrap_or(Meaning::Number(1.0))),
        }
    }
}

pub(super) fn of_i32(value: i32, meaning: Meaning) -> f64 {
    match meaning {
        Meaning::Unsigned => f64::from(value as u32),
        _ => of_i64(value.into(), meaning),
    }
}

pub(super) fn of_i64(value: i64, meaning: Meaning) -> f64 {
    match meaning {
        Meaning::Unsigned => value as u64 as f64,
        // Whole seconds and the rest: a nanosecond of today would be lost in one product.
        Meaning::Time(unit) => (value / unit) as f64 + (value % unit) as f64 / unit as f64,
        Meaning::Days => value as f64 * SECONDS_PER_DAY,
        Meaning::Number(whole) => value as f64 / whole,
        Meaning::Half | Meaning::Text => value as f64,
    }
}

/// Seconds of a time as Hive and Impala write it: nanoseconds of a day of the Julian period.
pub(super) fn of_int96(value: &Int96) -> f64 {
    let &[low, high, day] = value.data() else { return f64::NAN };
    let nanoseconds = (u64::from(high) << 32 | u64::from(low)) as f64;
    (f64::from(day) - JULIAN_1970) * SECONDS_PER_DAY + nanoseconds * 1e-9
}

/// A decimal, big-endian with a sign, or a number in half precision.
pub(super) fn of_bytes(bytes: &[u8], meaning: Meaning) -> f64 {
    match (meaning, bytes) {
        (Meaning::Half, &[low, high]) => f16::from_le_bytes([low, high]).to_f64(),
        (Meaning::Number(whole), &[first, ref rest @ ..]) => {
            let value = rest.iter().fold(f64::from(first as i8), |value, &byte| value * 256.0 + f64::from(byte));
            value / whole
        }
        _ => f64::NAN,
    }
}
