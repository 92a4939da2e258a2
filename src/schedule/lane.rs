//! Lanes: the lines that a probe may wait in, and a value for each of them.

/// Where a turn waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Regular probes of doors that showed what there is to see last time: they come first.
    Regular,
    /// Regular probes of doors that failed last time, and of those that were never probed: however
    /// many there are, a quarter of the concurrency is left for others.
    Unproven,
    /// Regular probes of doors that timed out last time: they may take a quarter of the
    /// concurrency, so that what hangs delays nobody else.
    Slow,
    /// Deep probes.
    Deep,
}

/// A value per lane.
#[derive(Debug, Default)]
pub(super) struct Lanes<T> {
    regular: T,
    unproven: T,
    slow: T,
    deep: T,
}

impl Lane {
    pub(super) const ALL: [Self; 4] = [Self::Regular, Self::Unproven, Self::Slow, Self::Deep];
}

impl<T> Lanes<T> {
    pub(super) fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Regular => &self.regular,
            Lane::Unproven => &self.unproven,
            Lane::Slow => &self.slow,
            Lane::Deep => &self.deep,
        }
    }

    pub(super) fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Regular => &mut self.regular,
            Lane::Unproven => &mut self.unproven,
            Lane::Slow => &mut self.slow,
            Lane::Deep => &mut self.deep,
        }
    }

    pub(super) fn all(&self, mut test: impl FnMut(&T) -> bool) -> bool {
        Lane::ALL.into_iter().all(|lane| test(self.of(lane)))
    }
}
