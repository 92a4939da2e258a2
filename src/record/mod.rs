//! Record: the last verdict of every row, ready to be written out.
