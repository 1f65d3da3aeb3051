"""What the paper prints: the numbers of its Tables 1-4, and nothing else. The one place where numbers are typed.

Source: Beniwal, Neelisetty, Pakanati, Image Colorization Enhancement using Transfer Learning.
"""

# Table 1, "Final model parameters"; the last two are settings of a run.
TABLE1 = {
    "internal_activation": "ReLU",
    "output_activation": "Tanh",
    "optimizer": "Adam",
    "loss": "Mean Squared Error",
    "batch_size": "20",
    "epochs": "100",
}
# What §III says of the settings that Table 1 leaves out; the paper does not state the others.
SECTION3 = {"image_size": "256", "classifier": "efficientnet_b4", "horizontal_flip": "flip", "zoom_range": "zoom"}
# Table 2: runtime in hours, MSE, accuracy in percent.
TABLE2 = {"paintings": (3.57, 0.0035, 88.5), "coco": (5.33, 0.119, 64.89)}
# Table 3: PSNR in dB and SSIM in percent of eight pictures that the paper does not identify.
TABLE3 = {
    "paintings": ((22, 20, 23, 23, 10, 15, 10, 7), (98, 97, 97, 99, 88, 76, 65, 82)),
    "coco": ((8, 7, 10, 11, 6, 13, 16, 15), (75, 68, 77, 83, 81, 73, 69, 65)),
}
# Table 4: SSIM in percent of the same eight; all trained on the paintings.
TABLE4 = {
    "efficientnet": (98, 97, 97, 99, 88, 76, 65, 82),
    "let_there_be_color": (96, 96, 96, 99, 92, 89, 89, 91),
    "colorful": (93, 92, 87, 96, 69, 94, 82, 89),
    "gan": (92, 89, 89, 94, 69, 90, 75, 77),
}
