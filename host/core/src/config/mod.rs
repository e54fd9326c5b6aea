//! The configuration file: from text to [`crate::model::Model`], with every mistake reported at once.
