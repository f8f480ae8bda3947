"""MSR, multi-session replay: the core. It knows no agent, no table and no view.

The Faust application is `msr_stream.app`; importing any other module builds nothing.
"""
