//! Typed configuration of a tidemill pipeline: loading, layering, validation with file, line and nearest name.
