"""The numeric heart of the tracker, compiled to machine code: arrays and numbers in, arrays and numbers out."""
