//! The named functions that fold values: `sum`, `min`, `max`, `count`, `first`, `last`.

use tidemill_config::AggregateFunction;

use super::order::Order;
use super::value::Value;

/// Folds two values.
pub(super) type Fold = fn(&Value, &Value) -> Value;

/// A value with its place.
pub(super) type Placed = (Order, Value);

/// What a fold looks at.
pub(super) enum Folds {
    /// The values alone, made ready by [`ready`].
    Values(Fold),
    /// Also which came first.
    Placed(fn(&Placed, &Placed) -> Placed),
}

/// How values are folded.
pub(super) fn fold(function: AggregateFunction) -> Folds {
    match function {
        AggregateFunction::Sum | AggregateFunction::Count => Folds::Values(add),
        AggregateFunction::Min => Folds::Values(|a, b| a.min(b).clone()),
        AggregateFunction::Max => Folds::Values(|a, b| a.max(b).clone()),
        AggregateFunction::First => Folds::Placed(|a, b| if a.0 <= b.0 { a } else { b }.clone()),
        AggregateFunction::Last => Folds::Placed(|a, b| if a.0 >= b.0 { a } else { b }.clone()),
    }
}

/// A value as it goes into a fold; `None` when it doesn't fit.
pub(super) fn ready(function: AggregateFunction, value: &Value) -> Option<Value> {
    match function {
        AggregateFunction::Count => Some(Value::Int(1)),
        AggregateFunction::Sum if !value.is_number() => None,
        _ => Some(value.clone()),
    }
}

/// The sum of two numbers; of integers beyond the range of 64 bits, with a fraction's precision.
pub(super) fn add(a: &Value, b: &Value) -> Value {
    compute(a, b, i64::checked_add, |a, b| a + b)
}

/// The difference of two numbers.
pub(super) fn subtract(a: &Value, b: &Value) -> Value {
    compute(a, b, i64::checked_sub, |a, b| a - b)
}

fn compute(
    a: &Value,
    b: &Value,
    integers: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (a, b)
        && let Some(result) = integers(*a, *b)
    {
        return Value::Int(result);
    }
    Value::Float(floats(
        a.as_f64().unwrap_or_default(),
        b.as_f64().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_integers_while_they_can() {
        assert_eq!(add(&Value::Int(2), &Value::Int(3)), Value::Int(5));
        assert_eq!(add(&Value::Int(2), &Value::Float(0.5)), Value::Float(2.5));
        assert_eq!(subtract(&Value::Int(2), &Value::Int(3)), Value::Int(-1));
        assert_eq!(
            add(&Value::Int(i64::MAX), &Value::Int(1)),
            Value::Float(2f64.powi(63))
        );
    }
}
