//! Both journals against the suite for all journals, and against what only real databases do.

mod conformance;
mod make;
