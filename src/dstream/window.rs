//! Windows: datasets over the last several batches.
//!
//! A window of length `L` sliding by `S` yields at times `S` apart what came in the last `L`. Both must
//! be multiples of the stream's own slide. The parent's datasets are kept in memory for as long as a
//! window needs them, and rebuilt from their blocks after a restart.

use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Data, Element, Key, Rdd};
use crate::time::{Time, is_multiple};

impl<T: ?Sized + Element> DStream<T> {
    /// What came in the last `length`, every `slide`.
    #[track_caller]
    pub fn window(&self, length: Duration, slide: Duration) -> DStream<T> {
        let caller = Location::caller();
        self.check_window(length, slide, caller);
        self.node().core().persist();
        let parts = NodeParts {
            slide,
            looks_back: length,
            ..self.child("window", caller)
        };
        let parent = Arc::clone(self.node());
        let executor = self.registry().executor.clone();
        DStream::from_node(StreamNode::register(
            self.registry(),
            parts,
            move |time: Time| {
                let rdds = parent.slice(time.minus(length), time)?;
                Ok(Some(Rdd::union_all(&rdds, &executor)))
            },
        ))
    }

    /// How many elements came in the last `length`, every `slide`, as one element.
    #[track_caller]
    pub fn count_by_window(&self, length: Duration, slide: Duration) -> DStream<u64> {
        let caller = Location::caller();
        self.check_window(length, slide, caller);
        self.count()
            .window(length, slide)
            .derive("count_by_window", caller, |rdd| {
                rdd.aggregate(
                    || 0u64,
                    |sum, chunk| chunk.for_each(|count| *sum += count),
                    |a, b| *a += b,
                )
            })
    }

    /// Each distinct element of the last `length` with how often it occurs there, every `slide`.
    #[track_caller]
    pub fn count_by_value_and_window(
        &self,
        length: Duration,
        slide: Duration,
    ) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: Hash + Eq,
    {
        self.count_by_value().reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |(_, count)| *count > 0,
        )
    }

    fn check_window(&self, length: Duration, slide: Duration, caller: &'static Location<'static>) {
        let own = self.slide_duration();
        for (what, given) in [("length", length), ("slide", slide)] {
            if !is_multiple(given, own) {
                self.mistake(
                    caller,
                    format!(
                        "the window's {what} is {given:?}; it must be a positive multiple of the \
                         slide of the stream that it reads, {own:?}"
                    ),
                );
            }
        }
    }
}

impl<T: Data> DStream<T> {
    /// The elements of the last `length` combined by `f`, every `slide`; none when there were none.
    #[track_caller]
    pub fn reduce_by_window(
        &self,
        f: impl Fn(&T, &T) -> T + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<T> {
        let f = Arc::new(f);
        let g = Arc::clone(&f);
        self.reduce(move |a, b| f(a, b))
            .window(length, slide)
            .reduce(move |a, b| g(a, b))
    }
}

/// A value on its way into the next window, and where it comes from.
#[derive(Clone)]
struct Moving<V> {
    /// From the window before.
    held: Option<V>,
    /// From the batches that leave.
    leaving: Option<V>,
    /// From the batches that enter.
    entering: Option<V>,
}

impl<K: Key, V: Data> DStream<(K, V)> {
    /// All values of each key in the last `length`, every `slide`.
    #[track_caller]
    pub fn group_by_key_and_window(
        &self,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, Vec<V>)> {
        self.window(length, slide).group_by_key()
    }

    /// The values of each key in the last `length` combined by `f`, every `slide`. Each batch is combined
    /// once; a window combines its batches' results.
    #[track_caller]
    pub fn reduce_by_key_and_window(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, V)> {
        let caller = Location::caller();
        let f = Arc::new(f);
        let (g, partitions) = (Arc::clone(&f), self.registry().default_partitions);
        self.reduce_by_key(move |a, b| f(a, b))
            .window(length, slide)
            .derive("reduce_by_key_and_window", caller, move |rdd| {
                let g = Arc::clone(&g);
                rdd.reduce_by_key(move |a, b| g(a, b), partitions)
            })
    }

    /// As [`DStream::reduce_by_key_and_window`], made of the window before: what entered is added by `f`,
    /// what left is taken away by `inverse`. Keys for which `keep` doesn't hold are dropped; without
    /// that, keys whose values have all left would stay for ever.
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        inverse: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        keep: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
    ) -> DStream<(K, V)> {
        let caller = Location::caller();
        self.check_window(length, slide, caller);
        let f = Arc::new(f);
        let g = Arc::clone(&f);
        let reduced = self.reduce_by_key(move |a, b| g(a, b)).persist();
        let functions = Arc::new((f, inverse, keep));
        let registry = Arc::clone(self.registry());
        let (executor, partitions) = (registry.executor.clone(), registry.default_partitions);
        let parts = NodeParts {
            slide,
            looks_back: length + slide,
            uid: self.child_uid("reduce_by_key_and_window"),
            ..reduced.child("reduce_by_key_and_window", caller)
        };
        let parent = Arc::clone(reduced.node());
        let node = StreamNode::register_with(&registry, parts, move |_, before, time: Time| {
            let union = |rdds: Vec<Rdd<(K, V)>>| Rdd::union_all(&rdds, &executor);
            let functions = Arc::clone(&functions);
            let Some(before) = before.get(&time.minus(slide)).cloned().flatten() else {
                // The first window, or the first after a restart: from its batches.
                let all = union(parent.slice(time.minus(length), time)?);
                let reduced = all.reduce_by_key(
                    {
                        let functions = Arc::clone(&functions);
                        move |a, b| functions.0(a, b)
                    },
                    partitions,
                );
                return Ok(Some(reduced.filter(move |pair| functions.2(pair))));
            };
            let entered_after = time.minus(slide).max(time.minus(length));
            let entering = union(parent.slice(entered_after, time)?);
            let left_until = time.minus(length).min(time.minus(slide));
            let leaving = union(parent.slice(time.minus(length + slide), left_until)?);
            Ok(Some(slide_window(
                &before, &leaving, &entering, &functions, partitions,
            )))
        });
        DStream::from_node(node).persist()
    }
}

/// The next window: the one before, less what leaves, and what enters.
fn slide_window<K: Key, V: Data, F, I, P>(
    before: &Rdd<(K, V)>,
    leaving: &Rdd<(K, V)>,
    entering: &Rdd<(K, V)>,
    functions: &Arc<(Arc<F>, I, P)>,
    partitions: usize,
) -> Rdd<(K, V)>
where
    F: Fn(&V, &V) -> V + Send + Sync + 'static,
    I: Fn(&V, &V) -> V + Send + Sync + 'static,
    P: Fn(&(K, V)) -> bool + Send + Sync + 'static,
{
    let add = |functions: &Arc<(Arc<F>, I, P)>| {
        let functions = Arc::clone(functions);
        move |a: Option<V>, b: Option<V>| match (a, b) {
            (Some(a), Some(b)) => Some(functions.0(&a, &b)),
            (a, b) => a.or(b),
        }
    };
    let none = || Moving {
        held: None,
        leaving: None,
        entering: None,
    };
    let held = before.map_values(move |v| Moving {
        held: Some(v.clone()),
        ..none()
    });
    let out = leaving.map_values(move |v| Moving {
        leaving: Some(v.clone()),
        ..none()
    });
    let new = entering.map_values(move |v| Moving {
        entering: Some(v.clone()),
        ..none()
    });
    let (add_value, add_parts) = (add(functions), add(functions));
    let join = move |sum: &mut Moving<V>, next: Moving<V>, add: &dyn Fn(_, _) -> _| {
        sum.held = add(sum.held.take(), next.held);
        sum.leaving = add(sum.leaving.take(), next.leaving);
        sum.entering = add(sum.entering.take(), next.entering);
    };
    let functions = Arc::clone(functions);
    let all = Rdd::union_all(&[held, out, new], before.executor());
    all.combine_by_key(
        Moving::clone,
        move |sum, next| join(sum, next.clone(), &add_value),
        move |sum, next| join(sum, next, &add_parts),
        partitions,
    )
    .flat_map(move |(key, moving): &(K, Moving<V>), out| {
        let rest = match (&moving.held, &moving.leaving) {
            (Some(held), Some(leaving)) => Some(functions.1(held, leaving)),
            (held, _) => held.clone(),
        };
        let value = match (rest, &moving.entering) {
            (Some(rest), Some(entering)) => Some(functions.0(&rest, entering)),
            (rest, entering) => rest.or_else(|| entering.clone()),
        };
        if let Some(value) = value {
            let pair = (key.clone(), value);
            if functions.2(&pair) {
                out.emit_owned(pair);
            }
        }
    })
}
