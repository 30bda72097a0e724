import torch

from reference.training.prompt_zones import BOX_EDGES, POINT_EDGES, box_zones, point_zones

SIZE = (40, 60)


def test_zones_are_rings_around_a_point():
    zones = point_zones(torch.tensor([[101.5, 49.5]]), SIZE)[0]  # the center of cell 25, 12
    assert zones.shape == SIZE
    row = zones[12]
    assert row[25] == row[26] == row[27] == row[23] == 0  # at most two cells away
    assert row[28] == row[22] == 1
    assert row[29] == zones[16, 25] == 2
    assert zones[15, 29] == 3  # five cells away, 3 by 4
    assert row[59] == len(POINT_EDGES)


def test_zones_are_frames_around_the_box():
    # Cells 20 to 39 across and 10 to 19 down: half sides of 40 and 20 pixels.
    box = torch.tensor([[79.5, 39.5, 159.5, 79.5]])
    zones = box_zones(box, SIZE)[0]
    inner, outer = BOX_EDGES.index(1.0), len(BOX_EDGES)
    assert (zones[10:20, 20:40] <= inner).all()
    assert (zones[:10] > inner).all()
    assert (zones[:, 40:] > inner).all()
    assert zones[14, 29] == zones[15, 30] == 0
    assert zones[12, 30] == BOX_EDGES.index(0.5)  # 10 of 20 pixels from the middle
    assert zones[0, 0] == outer


def test_a_box_without_an_inside_has_zones():
    zones = box_zones(torch.tensor([[21.5, 21.5, 21.5, 21.5]]), (10, 10))
    assert zones[0, 5, 5] < zones[0, 5, 6]
    assert zones.max() == len(BOX_EDGES)


def test_each_prompt_has_its_own():
    points = torch.tensor([[10.0, 10.0], [200.0, 100.0]])
    both = point_zones(points, SIZE)
    assert torch.equal(both[1], point_zones(points[1:], SIZE)[0])
    boxes = torch.tensor([[10.0, 10.0, 50.0, 30.0], [100.0, 20.0, 200.0, 100.0]])
    assert torch.equal(box_zones(boxes, SIZE)[1], box_zones(boxes[1:], SIZE)[0])
