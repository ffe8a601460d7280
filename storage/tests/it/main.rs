//! Both journals against the suite for all journals, and against what only real databases do.

mod draft;
mod make;

mod conformance;
mod damage;
mod doubt;
mod full_disk;
mod nodes;
mod opening;
mod speed;
