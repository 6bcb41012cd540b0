//! What the record promises when the process, the disk or the file goes wrong, and what it never holds.

mod client;
mod damage;
mod disk;
mod kill;
mod leak;
mod refusal;
