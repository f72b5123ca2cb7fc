//! Several streams made into one: unions, and any function of several datasets.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{DStream, Mistake, NodeParts, Registry, StreamNode};
use crate::rdd::{Element, Rdd, TaskError, contained};
use crate::time::Time;
use crate::uid::OperatorUid;

/// What is checked of a stream before it's put together with others.
pub struct Member {
    registry: Arc<Registry>,
    id: usize,
    uid: OperatorUid,
    slide: Duration,
}

impl Member {
    fn of<T: ?Sized + Element>(stream: &DStream<T>) -> Self {
        let core = stream.node().core();
        Self {
            registry: Arc::clone(stream.registry()),
            id: core.id,
            uid: core.uid(),
            slide: core.slide,
        }
    }
}

/// Gives the datasets of several streams at a time; `None` when none of them has one.
pub type Reader<D> = Box<dyn Fn(Time) -> Result<Option<D>, TaskError> + Send + Sync>;

/// Streams whose datasets a function can be given together: a slice of streams of one type, or a tuple of
/// references to two to four streams of any types.
pub trait Streams {
    /// Their datasets of one batch: a list, or a tuple.
    type Datasets;
    #[doc(hidden)]
    fn members(&self) -> Vec<Member>;
    #[doc(hidden)]
    fn reader(&self) -> Reader<Self::Datasets>;
}

impl<T: ?Sized + Element> Streams for [DStream<T>] {
    type Datasets = Vec<Rdd<T>>;

    fn members(&self) -> Vec<Member> {
        self.iter().map(Member::of).collect()
    }

    fn reader(&self) -> Reader<Vec<Rdd<T>>> {
        let nodes: Vec<_> = self.iter().map(|s| Arc::clone(s.node())).collect();
        Box::new(move |time| {
            let mut found = false;
            let mut rdds = Vec::with_capacity(nodes.len());
            for node in &nodes {
                let rdd = node.get_or_compute(time)?;
                found |= rdd.is_some();
                rdds.push(or_empty(node, rdd));
            }
            Ok(found.then_some(rdds))
        })
    }
}

impl<T: ?Sized + Element> Streams for Vec<DStream<T>> {
    type Datasets = Vec<Rdd<T>>;

    fn members(&self) -> Vec<Member> {
        self.as_slice().members()
    }

    fn reader(&self) -> Reader<Vec<Rdd<T>>> {
        self.as_slice().reader()
    }
}

impl<T: ?Sized + Element, const N: usize> Streams for [DStream<T>; N] {
    type Datasets = Vec<Rdd<T>>;

    fn members(&self) -> Vec<Member> {
        self.as_slice().members()
    }

    fn reader(&self) -> Reader<Vec<Rdd<T>>> {
        self.as_slice().reader()
    }
}

impl<S: Streams + ?Sized> Streams for &S {
    type Datasets = S::Datasets;

    fn members(&self) -> Vec<Member> {
        (**self).members()
    }

    fn reader(&self) -> Reader<S::Datasets> {
        (**self).reader()
    }
}

macro_rules! tuples {
    ($(($($name:ident $stream:ident),+);)+) => {$(
        impl<$($name: ?Sized + Element),+> Streams for ($(&DStream<$name>,)+) {
            type Datasets = ($(Rdd<$name>,)+);

            fn members(&self) -> Vec<Member> {
                let ($($stream,)+) = self;
                vec![$(Member::of($stream)),+]
            }

            fn reader(&self) -> Reader<Self::Datasets> {
                let ($($stream,)+) = self;
                $(let $stream = Arc::clone($stream.node());)+
                let nodes = ($($stream,)+);
                Box::new(move |time| {
                    let ($($stream,)+) = &nodes;
                    let mut found = false;
                    let rdds = ($({
                        let rdd = $stream.get_or_compute(time)?;
                        found |= rdd.is_some();
                        or_empty($stream, rdd)
                    },)+);
                    Ok(found.then_some(rdds))
                })
            }
        }
    )+};
}

tuples! {
    (A a, B b);
    (A a, B b, C c);
    (A a, B b, C c, D d);
}

/// Nothing, where a stream has no dataset and another has one.
fn or_empty<T: ?Sized + Element>(node: &Arc<StreamNode<T>>, rdd: Option<Rdd<T>>) -> Rdd<T> {
    rdd.unwrap_or_else(|| Rdd::empty(&node.registry().executor))
}

/// The stream of what `f` makes of the datasets of `streams`, on the driver. What doesn't go together is a
/// mistake at `caller`.
pub(crate) fn together<S: Streams, U: ?Sized + Element>(
    registry: &Arc<Registry>,
    kind: &'static str,
    streams: S,
    caller: &'static Location<'static>,
    f: impl Fn(&S::Datasets, Time) -> Rdd<U> + Send + Sync + 'static,
) -> DStream<U>
where
    S::Datasets: 'static,
{
    let parts = parts(registry, kind, &streams.members(), caller);
    let read = streams.reader();
    DStream::from_node(StreamNode::register(
        registry,
        parts,
        move |time| match read(time)? {
            Some(rdds) => contained(|| Ok(Some(f(&rdds, time)))),
            None => Ok(None),
        },
    ))
}

/// What an operator on all `members` is made of.
fn parts(
    registry: &Arc<Registry>,
    kind: &'static str,
    members: &[Member],
    caller: &'static Location<'static>,
) -> NodeParts {
    let (uid, slide) = match members.first() {
        Some(first) => (format!("{}.{kind}", first.uid), first.slide),
        None => (kind.to_owned(), registry.batch_interval),
    };
    let parts = NodeParts {
        kind,
        parents: members.iter().map(|member| member.id).collect(),
        slide,
        looks_back: Duration::ZERO,
        state: None,
        is_input: false,
        caller,
        uid: registry.new_uid(&uid),
    };
    let mistake = |message: String| {
        registry.mistake(Mistake {
            uid: parts.uid.clone(),
            message,
            caller,
        });
    };
    let Some(first) = members.first() else {
        mistake(format!("{kind} needs at least one stream"));
        return parts;
    };
    for member in members {
        if !Arc::ptr_eq(registry, &member.registry) {
            mistake(format!(
                "{kind} with `{}`, a stream of another context (`{}`): declare all streams of a \
                 program on one context",
                member.uid, member.registry.application
            ));
        } else if member.slide != first.slide {
            mistake(format!(
                "{kind} of `{}`, which slides by {:?}, with `{}`, which slides by {:?}: the slides \
                 must be the same; a window of the right slide makes them so",
                first.uid, first.slide, member.uid, member.slide
            ));
        }
    }
    parts
}

/// The union of `streams`, declared at `caller`.
pub(crate) fn union_at<T: ?Sized + Element>(
    registry: &Arc<Registry>,
    streams: &[DStream<T>],
    caller: &'static Location<'static>,
) -> DStream<T> {
    let executor = registry.executor.clone();
    together(registry, "union", streams, caller, move |rdds, _| {
        Rdd::union_all(rdds, &executor)
    })
}

impl<T: ?Sized + Element> DStream<T> {
    /// The elements of this stream and of another of the same slide; their order between streams means
    /// nothing. Partitions are those of both. For more streams see
    /// [`StreamingContext::union`](crate::StreamingContext::union).
    ///
    /// Where the slides differ, the original fails when the union is declared; here all mistakes of a
    /// program are reported together when it starts.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (near, _queue) = context.queue_stream::<str>();
    /// # let (far, _queue) = context.queue_stream::<str>();
    /// let lines = near.union(&far);
    /// ```
    #[track_caller]
    pub fn union(&self, other: &DStream<T>) -> DStream<T> {
        let both = [self.clone(), other.clone()];
        union_at(self.registry(), &both, Location::caller())
    }

    /// Any function of this stream's dataset and another's, run once a batch on the driver: what it
    /// returns is computed on the CPU pool as any dataset is. For more streams see
    /// [`StreamingContext::transform`](crate::StreamingContext::transform).
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (clicks, _queue) = context.queue_stream::<(String, u64)>();
    /// # let (robots, _queue) = context.queue_stream::<(String, String)>();
    /// let by_people = clicks.transform_with(&robots, |clicks, robots, _time| {
    ///     clicks.subtract_by_key(robots, 4)
    /// });
    /// ```
    #[track_caller]
    pub fn transform_with<U: ?Sized + Element, W: ?Sized + Element>(
        &self,
        other: &DStream<U>,
        f: impl Fn(&Rdd<T>, &Rdd<U>, Time) -> Rdd<W> + Send + Sync + 'static,
    ) -> DStream<W> {
        together(
            self.registry(),
            "transform_with",
            (self, other),
            Location::caller(),
            move |(ours, theirs), time| f(ours, theirs, time),
        )
    }
}
