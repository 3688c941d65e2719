//! What bugs remember: in fields of a driver, which belong to its state, and in statics.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::LocalKey;

use zeroize::Zeroize as _;

use crate::driver::counter::CounterTrack;
use crate::driver::device::SessionPlace;
use crate::driver::home::Home;
use crate::driver::observe::StateSink;
use crate::driver::session::Session;
use crate::driver::table::Place;

/// A value that a bug remembers in a driver. What it holds can influence answers to come, so it is
/// part of the driver's state.
pub(crate) trait Remember {
    /// Writes all of it.
    fn write(&self, sink: &mut StateSink<'_>);
}

impl StateSink<'_> {
    /// Takes what a bug remembers.
    pub(crate) fn remembered(&mut self, value: &impl Remember) {
        value.write(self);
    }
}

macro_rules! remember_numbers {
    ($($number:ty),*) => {$(
        impl Remember for $number {
            fn write(&self, sink: &mut StateSink<'_>) {
                sink.bytes(&self.to_le_bytes());
            }
        }
    )*};
}

remember_numbers!(u8, u16, u32, u64, usize);

impl Remember for bool {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.flag(*self);
    }
}

impl<T: Remember, const N: usize> Remember for [T; N] {
    fn write(&self, sink: &mut StateSink<'_>) {
        self.iter().for_each(|value| value.write(sink));
    }
}

impl<T: Remember> Remember for Option<T> {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.flag(self.is_some());
        self.iter().for_each(|value| value.write(sink));
    }
}

impl<T: Remember> Remember for Box<T> {
    fn write(&self, sink: &mut StateSink<'_>) {
        (**self).write(sink);
    }
}

impl<T: Remember> Remember for Vec<T> {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.count(self.len());
        self.iter().for_each(|value| value.write(sink));
    }
}

impl<T: Remember> Remember for VecDeque<T> {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.count(self.len());
        self.iter().for_each(|value| value.write(sink));
    }
}

impl Remember for Home {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.bytes(self.bytes());
    }
}

impl Remember for Session {
    fn write(&self, sink: &mut StateSink<'_>) {
        self.write_state(sink);
    }
}

impl Remember for CounterTrack {
    fn write(&self, sink: &mut StateSink<'_>) {
        self.write_state(sink);
    }
}

impl Remember for Place {
    fn write(&self, sink: &mut StateSink<'_>) {
        sink.count(self.index);
        sink.number(self.generation.into());
    }
}

impl Remember for SessionPlace {
    fn write(&self, sink: &mut StateSink<'_>) {
        self.device.write(sink);
        self.session.write(sink);
    }
}

/// A static in which a bug keeps something.
pub(crate) trait Forget {
    /// Leaves zeros in it.
    fn forget(&'static self);
}

impl Forget for Mutex<[u8; 16]> {
    fn forget(&'static self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).zeroize();
    }
}

impl Forget for [AtomicU64; 16] {
    fn forget(&'static self) {
        self.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

impl Forget for LocalKey<RefCell<[u8; 16]>> {
    fn forget(&'static self) {
        self.with_borrow_mut(|kept| kept.zeroize());
    }
}
