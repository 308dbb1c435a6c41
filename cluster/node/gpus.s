// Empty: gpus.go declares a function without a body, which the compiler takes only beside such a file.
