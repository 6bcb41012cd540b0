//! What the record alone promises: files, batches, marks, damage. The rules are tested by the conformance suite.

mod batch;
mod damage;
mod file;
mod full;
mod load;
mod mark;
mod scene;
