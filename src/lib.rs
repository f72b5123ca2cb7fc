//! tidemill

pub mod block;
pub mod clock;
pub mod dstream;
pub mod rdd;
pub mod sink;
pub mod state;
pub mod time;
