//! [`Method`]: how a key's value follows a window, with an inverse function and without.

/// What a window knows of a key is its value, and what the method keeps beside it.
pub(crate) trait Method<K, V>: Send + Sync + 'static {
    /// What is kept beside a key's value.
    type Side: Clone + Default + Send + Sync + 'static;

    /// Whether panes hold, for keys that had their turn, what is left of them without that pane.
    const SUFFIXES: bool;
    /// Whether [`Method::keeps`] can say no.
    const FILTERS: bool;

    /// Combines two values, the earlier one first.
    fn add(&self, earlier: &V, later: &V) -> V;

    /// A pane leaves. `left` is its partial result; where panes hold suffixes, the suffix behind it.
    fn leave(&self, value: &mut Option<V>, side: &mut Self::Side, left: Option<&V>);

    /// A batch's partial result enters.
    fn enter(&self, value: &mut Option<V>, side: &mut Self::Side, entering: &V);

    /// All that leaves and enters has: makes the value of what is kept beside it.
    fn settle(&self, value: &mut Option<V>, side: &Self::Side);

    /// Beside a key whose panes, all but the one that opens, have been combined into `front`.
    fn turned(front: Option<V>) -> Self::Side;

    /// Whether a key stays in the window.
    fn keeps(&self, _pair: &(K, V)) -> bool {
        true
    }
}

/// By subtraction: `F` adds, `I` takes away, `P` says which keys stay.
pub(crate) struct Inverse<F, I, P> {
    pub(crate) add: F,
    pub(crate) inverse: I,
    pub(crate) keep: P,
}

impl<K, V, F, I, P> Method<K, V> for Inverse<F, I, P>
where
    V: Clone + Send + Sync + 'static,
    F: Fn(&V, &V) -> V + Send + Sync + 'static,
    I: Fn(&V, &V) -> V + Send + Sync + 'static,
    P: Fn(&(K, V)) -> bool + Send + Sync + 'static,
{
    type Side = ();
    const SUFFIXES: bool = false;
    const FILTERS: bool = true;

    #[inline]
    fn add(&self, earlier: &V, later: &V) -> V {
        (self.add)(earlier, later)
    }

    #[inline]
    fn leave(&self, value: &mut Option<V>, (): &mut (), left: Option<&V>) {
        // A key that was dropped has nothing to take it from.
        if let (Some(held), Some(left)) = (value.as_mut(), left) {
            *held = (self.inverse)(held, left);
        }
    }

    #[inline]
    fn enter(&self, value: &mut Option<V>, (): &mut (), entering: &V) {
        *value = Some(match value {
            Some(held) => (self.add)(held, entering),
            None => entering.clone(),
        });
    }

    fn settle(&self, _value: &mut Option<V>, (): &()) {}

    fn turned(_front: Option<V>) {}

    #[inline]
    fn keeps(&self, pair: &(K, V)) -> bool {
        (self.keep)(pair)
    }
}

/// By suffixes, for any associative function: two stacks for each key, whose tops are these. The panes
/// since the key's last turn are combined as they come (`back`). Those before were combined at that turn
/// from the newest to the oldest, and each step of that was kept: when a pane leaves, what is left without
/// it is there already (`front`). So each partial result is combined three times, whatever the length.
pub(crate) struct Suffixes<F>(pub(crate) F);

/// See [`Suffixes`].
#[derive(Clone)]
pub(crate) struct Stacks<V> {
    pub(super) front: Option<V>,
    pub(super) back: Option<V>,
}

impl<V> Default for Stacks<V> {
    fn default() -> Self {
        Self {
            front: None,
            back: None,
        }
    }
}

impl<K, V, F> Method<K, V> for Suffixes<F>
where
    V: Clone + Send + Sync + 'static,
    F: Fn(&V, &V) -> V + Send + Sync + 'static,
{
    type Side = Stacks<V>;
    const SUFFIXES: bool = true;
    const FILTERS: bool = false;

    #[inline]
    fn add(&self, earlier: &V, later: &V) -> V {
        (self.0)(earlier, later)
    }

    #[inline]
    fn leave(&self, _value: &mut Option<V>, side: &mut Stacks<V>, left: Option<&V>) {
        side.front = left.cloned();
    }

    #[inline]
    fn enter(&self, _value: &mut Option<V>, side: &mut Stacks<V>, entering: &V) {
        side.back = Some(match &side.back {
            Some(back) => (self.0)(back, entering),
            None => entering.clone(),
        });
    }

    #[inline]
    fn settle(&self, value: &mut Option<V>, side: &Stacks<V>) {
        *value = match (&side.front, &side.back) {
            (Some(front), Some(back)) => Some((self.0)(front, back)),
            (front, back) => front.as_ref().or(back.as_ref()).cloned(),
        };
    }

    fn turned(front: Option<V>) -> Stacks<V> {
        Stacks { front, back: None }
    }
}
