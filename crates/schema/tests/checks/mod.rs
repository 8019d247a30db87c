//! What must hold of any bytes: one place for the laws, the fuzz targets and the replay of their corpus.

pub(crate) mod plain;
pub(crate) mod read;
pub(crate) mod whole;
