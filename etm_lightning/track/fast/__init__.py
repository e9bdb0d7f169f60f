"""`fast_log`: values of a step without what `self.log` costs for each of them."""
