// A control: a program that ends at once.
.globl _start
_start:
        mov     x8, #93                 // exit
        mov     x0, #0
        svc     #0
