"""What is wrong with a set of pictures, a run or the machine, and what to do next.

`examine` chooses by what a path is: `pictures`, a run (`history`) or, without one, `machine`. Every
figure in a diagnosis was measured in this very call, or read from the files it speaks of.
"""
