"""A story worth replaying: air and sea traffic about Singapore, and the incidents that happen to it.

`tracks` and `routes` are geometry, `traffic` and `incidents` what happens, `story` puts it together: pure,
and the same for the same seed. `writer` turns it into SQL.
"""
