"""Calls a coordinator's admin listener with gRPC's own Python packages.

Usage: call_coordinator.py <host:port> <empty directory> <directory of convoy.proto> <directory of health/v1/health.proto>
Prints one JSON object. Nothing here is Convoy's: descriptors come from the server and from protoc, stubs from grpcio-tools.
"""
import importlib
import json
import pathlib
import sys

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

DEADLINE_SECONDS = 30

address, scratch, convoy_protos, health_protos = sys.argv[1:]
channel = grpc.insecure_channel(address)
database = ProtoReflectionDescriptorDatabase(channel)


def described(symbol):
    """The FileDescriptorProtos, serialized, that the server has for a symbol."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    (reply,) = stub.ServerReflectionInfo(iter([request]), timeout=DEADLINE_SECONDS)
    return list(reply.file_descriptor_response.file_descriptor_proto)


def compiled(directory, file):
    """What protoc makes of a proto file; its Python modules come into the empty directory as well."""
    output = pathlib.Path(scratch) / "descriptors"
    status = protoc.main([
        "protoc", f"-I{directory}", f"--python_out={scratch}", f"--grpc_python_out={scratch}",
        f"--descriptor_set_out={output}", file,
    ])
    assert status == 0, f"protoc does not compile {file}"
    (proto,) = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file
    return proto


def differences(symbol, proto):
    """Messages, enums, services and options that are not as protoc has them; files have other names."""
    (served,) = (descriptor_pb2.FileDescriptorProto.FromString(file) for file in described(symbol))
    served.name = proto.name
    if served == proto:
        return []
    return [line for line in str(served).splitlines() if line not in str(proto).splitlines()] or ["order or absence"]


def status_of(service):
    request = health_pb2.HealthCheckRequest(service=service)
    try:
        reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=DEADLINE_SECONDS)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    except grpc.RpcError as error:
        return error.code().name


def watched(service):
    """The first status that a watch of the service gives."""
    stream = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_SECONDS
    )
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(next(stream).status)
    stream.cancel()
    return status


services = sorted(database.get_services())

# Every file that reflection has builds, in a pool that checks names and types.
pool = DescriptorPool()
files = {}
for service in services:
    for file in described(service):
        proto = descriptor_pb2.FileDescriptorProto.FromString(file)
        if proto.name not in files:
            pool.AddSerializedFile(file)
        files[proto.name] = sorted(
            [f"{proto.package}.{message.name}" for message in proto.message_type]
            + [f"{proto.package}.{service.name}" for service in proto.service]
        )

# The whole call through reflection: no generated code.
method = DescriptorPool(database).FindMethodByName("convoy.v1.Admin.Status")
Request, Reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
call = channel.unary_unary("/convoy.v1.Admin/Status", Request.SerializeToString, Reply.FromString)
reflected = call(Request(), timeout=DEADLINE_SECONDS)

# The same with stubs that grpcio-tools generates of the proto file.
convoy = compiled(convoy_protos, "convoy.proto")
sys.path.insert(0, scratch)
messages, stubs = importlib.import_module("convoy_pb2"), importlib.import_module("convoy_pb2_grpc")
generated = stubs.AdminStub(channel).Status(messages.StatusRequest(), timeout=DEADLINE_SECONDS)

print(json.dumps({
    "services": services,
    "files": files,
    "fields": [field.name for field in Reply.DESCRIPTOR.fields],
    "status": MessageToDict(reflected),
    "text": str(reflected),
    "state": generated.state,
    "totalSteps": generated.total_steps,
    "differences": differences("convoy.v1.Admin", convoy)
    + differences("grpc.health.v1.Health", compiled(health_protos, "health/v1/health.proto")),
    "check": {service: status_of(service) for service in ["", "convoy.v1.Control", "convoy.run", "nonsense"]},
    "watch": {service: watched(service) for service in ["", "convoy.run", "nonsense"]},
}))
