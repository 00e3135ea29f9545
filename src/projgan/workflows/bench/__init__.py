"""`projgan bench`: what a step of training costs on this machine, part by part and against others.

`benchmark` is the whole; `rounds` takes steps in turns; `timed` says where a step's time goes;
`reference` is the reference's way to take a step; `aside` measures what else a run does.
"""
