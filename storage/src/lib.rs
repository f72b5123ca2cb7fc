//! The seam between tidemill and disks or object stores: durable create, rename and sync, conditional puts, a simulated disk.
