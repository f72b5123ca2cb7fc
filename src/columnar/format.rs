//! [`ColumnFormat`]: what the formats differ in, and what makes each a [`FileFormat`].

use std::io::Write;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::columns::{Columns, Scalar};
use super::{ArrowIpc, Avro, Parquet};
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter};

/// How rows of columns become the bytes of a file.
pub(crate) trait ColumnFormat: Send + Sync + 'static {
    /// The output's name in graphs and uids.
    const KIND: &'static str;
    /// What the names of parts end with.
    const EXTENSION: &'static str;

    /// Finds out whether files of these columns can be written.
    fn check(columns: &Columns, codec: Option<Codec>) -> Result<(), BoxError>;

    /// Writes a partition, whose elements have these columns.
    fn write<T: ?Sized + Element + Serialize>(
        partition: &Partition<'_, T>,
        columns: &Columns,
        codec: Option<Codec>,
        out: &mut dyn Write,
    ) -> Result<(), TaskError>;
}

/// Files of elements whose columns are those of their type.
macro_rules! of_the_type {
    ($($format:ty),*) => {$(
        impl<T> FileFormat<T> for $format
        where
            T: ?Sized + Element + Serialize,
            T::Own: DeserializeOwned,
        {
            fn kind(&self) -> &'static str {
                Self::KIND
            }

            fn extension(&self) -> &'static str {
                Self::EXTENSION
            }

            fn compresses(&self) -> bool {
                true
            }

            fn check(&self, codec: Option<Codec>) -> Result<(), BoxError> {
                <Self as ColumnFormat>::check(&Columns::of::<T::Own>()?, codec)
            }

            fn show(&self, value: &T) -> Option<String> {
                serde_json::to_string(value).ok()
            }

            fn write(
                &self,
                partition: &Partition<'_, T>,
                out: &mut PartWriter<'_>,
            ) -> Result<(), TaskError> {
                let columns = Columns::of::<T::Own>().map_err(TaskError::new)?;
                let codec = out.codec();
                <Self as ColumnFormat>::write(partition, &columns, codec, out)
            }
        }
    )*};
}

of_the_type!(Parquet, ArrowIpc, Avro);

/// Files of elements whose type doesn't tell their columns: they are said beside it.
#[derive(Debug)]
pub(crate) struct Declared<F> {
    columns: Columns,
    format: PhantomData<F>,
}

impl<F> Declared<F> {
    /// Elements are structs of these fields.
    pub(crate) fn new(columns: &[(&str, Scalar)]) -> Self {
        Self {
            columns: Columns::declared(columns),
            format: PhantomData,
        }
    }
}

impl<T: ?Sized + Element + Serialize, F: ColumnFormat> FileFormat<T> for Declared<F> {
    fn kind(&self) -> &'static str {
        F::KIND
    }

    fn extension(&self) -> &'static str {
        F::EXTENSION
    }

    fn compresses(&self) -> bool {
        true
    }

    fn check(&self, codec: Option<Codec>) -> Result<(), BoxError> {
        F::check(&self.columns, codec)
    }

    fn show(&self, value: &T) -> Option<String> {
        serde_json::to_string(value).ok()
    }

    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        F::write(partition, &self.columns, out.codec(), out)
    }
}
