use proptest::prelude::*;

use super::*;

mod film;
