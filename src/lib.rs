//! tidemill

pub mod clock;
pub mod rdd;
pub mod time;
